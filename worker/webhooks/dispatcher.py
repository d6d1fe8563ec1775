"""The loop that takes messages and has them sent, many at once."""

import asyncio
import logging
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from core import logs
from core.database import transaction
from core.settings import Settings
from worker import heartbeat
from worker.webhooks import queue
from worker.webhooks.queue import Claim
from worker.webhooks.sender import Sender

AT_ONCE = 128
TICK_SECONDS = 1.0  # how often it is asked what is due
REST_SECONDS = 0.05  # at least, between two askings
LEASE_SPARE_SECONDS = 30.0  # a lease is so much longer than an attempt
GRACE_SECONDS = 5.0  # for what is under way when it stops; the rest is sent again by another

log = logging.getLogger(__name__)


class Dispatcher:
    """Sends what is due until it is told to stop. Any number of them may run at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        sender = Sender(self._settings)
        stopping: asyncio.Task[Any] = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                heartbeat.beat()
                for claim in await self._claim():
                    task = asyncio.create_task(self._deliver(claim, sender))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                await asyncio.sleep(REST_SECONDS)
                await asyncio.wait(
                    {stopping, *self._under_way},
                    timeout=TICK_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=GRACE_SECONDS)
        finally:
            for task in (stopping, *self._under_way):
                task.cancel()
            await asyncio.gather(stopping, *self._under_way, return_exceptions=True)
            await sender.close()

    async def _claim(self) -> list[Claim]:
        free = AT_ONCE - len(self._under_way)
        lease = self._settings.webhook_timeout_seconds + LEASE_SPARE_SECONDS

        def take() -> list[Claim]:
            with transaction() as session:
                return queue.claim(session, free, lease)

        try:
            return await asyncio.to_thread(take) if free > 0 else []
        except SQLAlchemyError as error:
            log.warning("no messages claimed: %s", type(error).__name__)
            return []

    async def _deliver(self, claim: Claim, sender: Sender) -> None:
        with logs.bound(**claim.log_fields):
            try:
                outcome = await sender.send(claim)
                log.info(
                    "webhook sent",
                    extra={
                        "fields": {
                            "status": outcome.status_code,
                            "outcome": outcome.error or "received",
                            "milliseconds": outcome.latency_ms,
                        }
                    },
                )
            except Exception:
                # A fault of ours: the lease runs out, and the message is sent again.
                log.exception("webhook not sent")
                return

            def note() -> None:
                with transaction() as session:
                    queue.finish(session, claim, outcome, self._settings)

            try:
                await asyncio.to_thread(note)
            except SQLAlchemyError as error:
                # It is sent again, under the same id: better twice than not at all.
                log.warning("outcome not written: %s", type(error).__name__)
