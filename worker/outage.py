"""Waiting out what is nobody's fault: a server that is away, a disk that is full."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from core.database import transaction
from core.object_store import ObjectStore
from core.settings import MIB
from worker.faults import DATABASE_AWAY, STORE_AWAY, is_disk_full

POLL_SECONDS = 1.0
ROOM = bytes(MIB)

log = logging.getLogger(__name__)


def sit_out(store: ObjectStore, scratch: Path, seconds: float) -> bool:
    """Wait until the database and the store answer and the disk has room again.

    Args:
        scratch: a folder on the disk that this step writes to.
        seconds: the longest wait.

    Returns:
        True if there was an outage and it is over; False if nothing is amiss, so that the failure
        had another reason, or if the outage goes on.
    """
    deadline = time.monotonic() + seconds
    away = _away(store, scratch)
    if not away:
        return False
    log.warning("waiting for %s", " and ".join(away))
    while away and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        away = _away(store, scratch)
    return not away


def _away(store: ObjectStore, scratch: Path) -> list[str]:
    probes: dict[str, Callable[[], None]] = {
        "the database": _ask_database,
        "the store": store.check,
        "room on the disk": lambda: _write(scratch),
    }
    return [name for name, probe in probes.items() if not _works(probe)]


def _works(probe: Callable[[], None]) -> bool:
    try:
        probe()
    except (*DATABASE_AWAY, *STORE_AWAY):
        return False
    except OSError as error:
        if not is_disk_full(error):
            raise
        return False
    return True


def _ask_database() -> None:
    with transaction() as session:
        session.execute(text("SELECT 1"))


def _write(scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    probe = scratch / "probe"
    try:
        probe.write_bytes(ROOM)
    finally:
        probe.unlink(missing_ok=True)
