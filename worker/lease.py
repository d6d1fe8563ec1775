"""Keeping a claimed step: a thread that renews the lease while the block runs."""

import contextvars
import logging
import threading
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from core import steps
from core.database import transaction
from core.settings import get_settings
from worker import heartbeat

log = logging.getLogger(__name__)


class Lease:
    """Renews a claim every `heartbeat_seconds` until the block ends.

    `lost` is set once the step belongs to somebody else or was dropped. A database that does not
    answer is no reason to stop: the step goes on, and the fencing token decides in the end.
    """

    def __init__(self, claim: steps.Claim) -> None:
        self.claim = claim
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._beat,),
            name="lease",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _beat(self) -> None:
        settings = get_settings()
        while not self._stop.wait(settings.heartbeat_seconds):
            heartbeat.beat()
            try:
                with transaction() as session:
                    steps.renew(session, self.claim, settings.lease_seconds)
            except steps.LeaseLost:
                self.lost.set()
                return
            except SQLAlchemyError as error:
                log.warning("%s: heartbeat failed: %s", self.claim.step_id, type(error).__name__)
