"""Senders in the process of the test, receivers on loopback, webhooks of a new tenant."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import delete

from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from core.tables import Event, Webhook, WebhookDelivery
from core.webhook_secrets import new_salt
from tests.rows import add_tenant
from tests.worker.webhooks.receiver import Receiver, receiving
from worker.webhooks.dispatcher import Dispatcher

PATIENCE = 60.0


@pytest.fixture
def settings(servers: Settings) -> Settings:
    """With receivers on loopback; what other tests left to be sent is gone."""
    with transaction() as session:
        session.execute(delete(WebhookDelivery))
    return servers.model_copy(update={"webhook_private_networks": "127.0.0.0/8"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def other_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def tenant(settings: Settings) -> str:
    with transaction() as session:
        return add_tenant(session)


def add_webhook(tenant_id: str, url: str, **columns: Any) -> Webhook:
    defaults: dict[str, Any] = {"events": ["*"], "description": "", "salt": new_salt()}
    with transaction() as session:
        webhook = Webhook(id=new_id("wh"), tenant_id=tenant_id, url=url, **defaults | columns)
        session.add(webhook)
    return webhook


def found(webhook: Webhook) -> Webhook:
    """As it is now."""
    with transaction() as session:
        return session.get_one(Webhook, webhook.id)


def log_of(webhook: Webhook) -> list[WebhookDelivery]:
    """Its deliveries, oldest first."""
    with transaction() as session:
        return (
            session.query(WebhookDelivery)
            .filter_by(webhook_id=webhook.id)
            .order_by(WebhookDelivery.id)
            .all()
        )


def events_of(subject_id: str) -> list[Event]:
    with transaction() as session:
        return session.query(Event).filter_by(subject_id=subject_id).order_by(Event.id).all()


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@contextmanager
def sending(settings: Settings, senders: int = 1) -> Iterator[None]:
    """Senders that run meanwhile, each with an event loop of its own."""
    with ExitStack() as stack:
        for _ in range(senders):
            stack.enter_context(_sender(settings))
        yield


@contextmanager
def _sender(settings: Settings) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(Dispatcher(settings).run(stop),)
    )
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
