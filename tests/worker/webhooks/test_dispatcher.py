"""From a change of state to a receiver, and what becomes of messages that are not received."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import func, update

from core import lifecycle, webhooks
from core.database import transaction
from core.settings import Settings
from core.tables import Webhook, WebhookDelivery
from core.webhook_secrets import new_salt, secret_of
from tests.rows import add_dataset, add_job
from tests.worker.webhooks.conftest import (
    add_webhook,
    await_that,
    events_of,
    found,
    log_of,
    sending,
)
from tests.worker.webhooks.receiver import Receiver, Seen, status
from worker.retention import expire_deliveries
from worker.webhooks import queue
from worker.webhooks.queue import Outcome
from worker.webhooks.schedule import DELAYS, next_delay


def cancel_jobs(tenant_id: str, number: int) -> list[str]:
    """Jobs that were just cancelled."""
    with transaction() as session:
        dataset = add_dataset(session, tenant_id)
        jobs = [add_job(session, dataset) for _ in range(number)]
        for job in jobs:
            lifecycle.request_cancel(session, job)
    return [job.id for job in jobs]


def post_test(webhook: Webhook) -> None:
    with transaction() as session:
        webhooks.post_test(session, session.get_one(Webhook, webhook.id))


def make_due(webhook: Webhook) -> None:
    """As if the time until the next attempt had passed."""
    with transaction() as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook.id)
            .values(next_attempt_at=func.now())
        )


def is_signed(seen: Seen, secret: str, position: int = 0) -> bool:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    id_, moment = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    made = hmac.digest(key, f"{id_}.{moment}.".encode() + seen.body, hashlib.sha256)
    given = seen.headers["webhook-signature"].split(" ")[position]
    return given == "v1," + base64.b64encode(made).decode()


def test_every_change_arrives_once_from_two_senders(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    webhook = add_webhook(tenant, receiver.url())
    jobs = cancel_jobs(tenant, 12)
    with sending(settings, senders=2):
        jobs += cancel_jobs(tenant, 12)
        await_that(lambda: len(receiver.seen) >= 24)
        await_that(lambda: all(one.status == webhooks.SUCCEEDED for one in log_of(webhook)))
    payloads = [json.loads(seen.body) for seen in receiver.seen]
    assert sorted(payload["data"]["id"] for payload in payloads) == sorted(jobs)
    for seen, payload in zip(receiver.seen, payloads, strict=True):
        assert is_signed(seen, secret_of(webhook.salt))
        assert seen.headers["webhook-id"] == payload["id"]
        assert (payload["type"], payload["data"]["status"]) == ("job.cancelled", "cancelled")
        assert len(seen.body) < 20_000
    assert len({payload["id"] for payload in payloads}) == 24
    [attempt] = log_of(webhook)[0].attempts
    assert (attempt["status_code"], attempt["error"], attempt["response"]) == (204, None, "")
    assert attempt["latency_ms"] >= 0


def test_a_dead_receiver_holds_nobody_up(
    settings: Settings, tenant: str, receiver: Receiver, other_receiver: Receiver
) -> None:
    over = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        over.wait(60)
        status(204)(handler)

    receiver.answer = hang
    dead, alive = add_webhook(tenant, receiver.url()), add_webhook(tenant, other_receiver.url())
    for _ in range(3 * queue.PER_WEBHOOK):
        post_test(dead)
    try:
        with sending(settings):
            await_that(lambda: len(receiver.seen) == queue.PER_WEBHOOK)
            for _ in range(3 * queue.PER_WEBHOOK):
                post_test(alive)
            await_that(lambda: len(other_receiver.seen) == 3 * queue.PER_WEBHOOK)
            assert len(receiver.seen) == queue.PER_WEBHOOK
            over.set()
            await_that(lambda: len(receiver.seen) == 3 * queue.PER_WEBHOOK)
    finally:
        over.set()


def test_what_is_not_received_is_sent_again_unchanged(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    webhook = add_webhook(tenant, receiver.url())
    receiver.answer = status(503, "restarting", retry_after="3600")
    post_test(webhook)
    with sending(settings):
        await_that(lambda: log_of(webhook)[0].attempts)
        [tried] = log_of(webhook)
        assert (tried.status, tried.failures) == (webhooks.PENDING, 1)
        assert tried.attempts[0]["response"] == "restarting"
        assert tried.next_attempt_at is not None
        wait = tried.next_attempt_at - datetime.now(UTC)
        assert timedelta(minutes=50) < wait <= timedelta(hours=1)
        assert found(webhook).failing_since is not None
        receiver.answer = status(200)
        make_due(webhook)
        await_that(lambda: log_of(webhook)[0].status == webhooks.SUCCEEDED)
    first, second = receiver.seen
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    [received] = log_of(webhook)
    assert [attempt["status_code"] for attempt in received.attempts] == [503, 200]
    assert (received.next_attempt_at, received.finished_at is None) == (None, False)
    assert found(webhook).failing_since is None


def test_both_secrets_sign_for_as_long_as_was_agreed(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    old = new_salt()
    webhook = add_webhook(tenant, receiver.url(), old_salt=old, old_salt_until=soon)
    post_test(webhook)
    with sending(settings):
        await_that(lambda: len(receiver.seen) == 1)
        with transaction() as session:
            session.get_one(Webhook, webhook.id).old_salt_until = datetime.now(UTC)
        post_test(webhook)
        await_that(lambda: len(receiver.seen) == 2)
    during, after = receiver.seen
    assert is_signed(during, secret_of(webhook.salt))
    assert is_signed(during, secret_of(old), position=1)
    assert is_signed(after, secret_of(webhook.salt))
    assert " " not in after.headers["webhook-signature"]


def test_410_ends_a_webhook_and_tells_the_others(
    settings: Settings, tenant: str, receiver: Receiver, other_receiver: Receiver
) -> None:
    receiver.answer = status(410)
    gone = add_webhook(tenant, receiver.url(), events=["job.cancelled"])
    other = add_webhook(tenant, other_receiver.url(), events=["webhook.disabled"])
    cancel_jobs(tenant, 1)
    with sending(settings):
        await_that(lambda: len(other_receiver.seen) == 1)
        await_that(lambda: log_of(other)[0].status == webhooks.SUCCEEDED)
    ended = found(gone)
    assert ended.disabled_at is not None
    assert ended.disabled_reason == "gone"
    assert [event.type for event in events_of(gone.id)] == ["webhook.disabled"]
    told = json.loads(other_receiver.seen[0].body)
    assert told["data"]["id"] == gone.id
    assert told["data"]["disabled_reason"] == "gone"
    assert [one.status for one in log_of(gone)] == [webhooks.FAILED]
    cancel_jobs(tenant, 1)
    assert len(log_of(gone)) == 1


def test_a_webhook_that_fails_for_days_is_ended(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    receiver.answer = status(500)
    days = timedelta(days=settings.webhook_failing_days)
    webhook = add_webhook(
        tenant, receiver.url(), failing_since=datetime.now(UTC) - days + timedelta(hours=1)
    )
    post_test(webhook)
    with sending(settings):
        await_that(lambda: log_of(webhook)[0].attempts)
        assert found(webhook).disabled_at is None
        with transaction() as session:
            session.get_one(Webhook, webhook.id).failing_since = datetime.now(UTC) - days
        post_test(webhook)
        await_that(lambda: found(webhook).disabled_at)
    assert found(webhook).disabled_reason == "failing"
    assert {one.status for one in log_of(webhook)} == {webhooks.CANCELLED}


def test_a_sender_that_died_is_succeeded_by_another(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    webhook = add_webhook(tenant, receiver.url())
    post_test(webhook)
    with transaction() as session:
        [lost] = queue.claim(session, 10, lease_seconds=3600)
    with transaction() as session:
        assert queue.claim(session, 10, lease_seconds=3600) == []
    make_due(webhook)
    with sending(settings):
        await_that(lambda: log_of(webhook)[0].status == webhooks.SUCCEEDED)
    # The one that was thought dead writes nothing any more.
    with transaction() as session:
        queue.finish(session, lost, Outcome(1, 500, "status"), settings)
    [received] = log_of(webhook)
    assert (received.status, len(received.attempts)) == (webhooks.SUCCEEDED, 1)


def test_no_tenant_takes_all_the_room(settings: Settings, tenant: str, receiver: Receiver) -> None:
    hooks = [add_webhook(tenant, receiver.url()) for _ in range(8)]
    for webhook in hooks:
        for _ in range(queue.PER_WEBHOOK):
            post_test(webhook)
    with transaction() as session:
        assert len(queue.claim(session, 3, lease_seconds=60)) == 3
    with transaction() as session:
        assert len(queue.claim(session, 100, lease_seconds=60)) == queue.PER_TENANT - 3
    with transaction() as session:
        assert queue.claim(session, 100, lease_seconds=60) == []


def test_what_became_pending_while_its_webhook_was_disabled_is_not_sent(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    webhook = add_webhook(tenant, receiver.url(), disabled_at=datetime.now(UTC))
    post_test(webhook)
    with transaction() as session:
        assert queue.claim(session, 10, lease_seconds=60) == []
    assert [one.status for one in log_of(webhook)] == [webhooks.CANCELLED]


def test_a_webhook_that_is_deleted_takes_its_messages_along(
    settings: Settings, tenant: str, receiver: Receiver
) -> None:
    webhook = add_webhook(tenant, receiver.url())
    post_test(webhook)
    with transaction() as session:
        [claim] = queue.claim(session, 10, lease_seconds=60)
    with transaction() as session:
        session.delete(session.get_one(Webhook, webhook.id))
    with transaction() as session:
        queue.finish(session, claim, Outcome(1, 204), settings)
    assert log_of(webhook) == []


def test_the_schedule_is_that_of_the_specification() -> None:
    waits = [next_delay(failures, None) for failures in range(1, len(DELAYS) + 1)]
    for wait, delay in zip(waits, DELAYS, strict=True):
        assert wait is not None
        assert 0.85 * delay <= wait <= 1.15 * delay
    assert next_delay(len(DELAYS) + 1, None) is None
    assert len({next_delay(5, None) for _ in range(9)}) > 1
    assert next_delay(1, timedelta(hours=2)) == timedelta(hours=2)
    assert next_delay(1, timedelta(days=365)) == timedelta(hours=24)
    assert next_delay(1, timedelta(seconds=-5)) != timedelta(seconds=-5)
    assert timedelta(hours=75) < sum(DELAYS, timedelta()) < timedelta(hours=76)


@pytest.mark.parametrize(("days", "left"), [(29, 1), (31, 0)])
def test_the_log_is_kept_as_long_as_the_settings_say(
    settings: Settings, tenant: str, receiver: Receiver, days: int, left: int
) -> None:
    webhook = add_webhook(tenant, receiver.url())
    post_test(webhook)
    with transaction() as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.webhook_id == webhook.id)
            .values(status="failed", finished_at=func.now() - timedelta(days=days))
        )
    expire_deliveries(settings)
    assert len(log_of(webhook)) == left
