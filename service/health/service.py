"""Asking the database, the broker and the store for a sign of life."""

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import text
from starlette.concurrency import run_in_threadpool

from core.database import get_engine
from core.doorbell import celery_app
from core.object_store import ObjectStore

LIMIT_SECONDS = 2.0

log = logging.getLogger(__name__)


def ask_database() -> None:
    """Raise unless the database answers."""
    with get_engine().connect() as connection:
        connection.execute(text("SELECT 1"))


def ask_broker() -> None:
    """Raise unless the broker answers."""
    with celery_app().connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=int(LIMIT_SECONDS))


def checks_of(store: ObjectStore) -> dict[str, Callable[[], None]]:
    """What the API cannot work without, by name; each check raises if there is no answer."""
    return {"database": ask_database, "broker": ask_broker, "store": store.check}


class Readiness:
    """Checks that never pile up: while one still hangs, nobody starts it a second time."""

    def __init__(
        self, checks: dict[str, Callable[[], None]], limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self._checks = checks
        self._limit = limit_seconds
        self._running: dict[str, asyncio.Task[None]] = {}

    async def check(self) -> dict[str, bool]:
        """Which parts answer within the limit, by name."""
        answers = await asyncio.gather(*(self._answers(name) for name in self._checks))
        return dict(zip(self._checks, answers, strict=True))

    async def _answers(self, name: str) -> bool:
        task = self._running.get(name)
        if task is None or task.done():
            task = asyncio.create_task(run_in_threadpool(self._checks[name]))
            self._running[name] = task
        done, _ = await asyncio.wait({task}, timeout=self._limit)
        error = TimeoutError() if not done else task.exception()
        if error is not None:
            log.warning("%s does not answer: %s", name, type(error).__name__)
        return error is None
