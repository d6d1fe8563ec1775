"""A worker's sign of life: a file that it touches while it answers bells or holds a lease.

Not a ping: a worker that has become deaf to its broker still answers those (Celery's control
channel is another queue). So each idle worker rings a bell that only it can hear; the file is
touched by the pool process that answers it, or by the thread that renews the lease of a step.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.signals import celeryd_after_setup
from kombu import Exchange, Queue

from core.doorbell import LOOK, celery_app
from core.settings import get_settings

SWEEPER = "sweeper"

_file: Path | None = None  # of this process or, in a pool process, of its parent


def _folder() -> Path:
    return get_settings().scratch_dir / "heartbeats"


def begin(role: str) -> None:
    """From now on this process, and those it forks, beat as `role`."""
    global _file
    _file = _folder() / f"{role}-{os.getpid()}"
    beat()


def beat() -> None:
    """Say that this worker does something; without `begin`, nobody listens."""
    if _file is not None:
        _file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _file.touch()


def end() -> None:
    """This worker stops in good order."""
    if _file is not None:
        _file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Beat:
    """When a living process of a role last did something."""

    pid: int
    age_seconds: float


def beats(role: str) -> list[Beat]:
    """Of every process of this machine that began as `role` and has not ended."""
    found = []
    for path in _folder().glob(f"{role}-*"):
        pid = int(path.name.removeprefix(f"{role}-"))
        try:
            os.kill(pid, 0)
            found.append(Beat(pid, time.time() - path.stat().st_mtime))
        except PermissionError:
            continue  # the number is another user's by now
        except (ProcessLookupError, FileNotFoundError):
            path.unlink(missing_ok=True)
    return found


def _own_bell(hostname: str) -> Queue:
    # On the default exchange, so that workers that come and go leave no binding in the broker.
    return Queue(hostname, Exchange(""), routing_key=hostname, auto_delete=True)


class OwnBell(bootsteps.StartStopStep):
    """While the consumer is connected, rings the worker's own bell whenever it has been quiet."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None
        self._hostname: str = parent.hostname

    def start(self, parent: Any) -> None:
        self._timer = parent.timer.call_repeatedly(get_settings().heartbeat_seconds, self._ring)

    def stop(self, parent: Any) -> None:  # noqa: ARG002  called by Celery
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        # Twice: one that holds a lease beats in time, and needs no bell that would wait for it.
        quiet = 2 * get_settings().heartbeat_seconds
        if _file is None or time.time() - _file.stat().st_mtime < quiet:
            return
        pool = _file.name.rpartition("-")[0]
        celery_app().send_task(
            LOOK, args=(pool,), queue=self._hostname, retry=False, expires=5 * quiet
        )


@celeryd_after_setup.connect
def _listen(sender: str, instance: Any, **_: Any) -> None:
    instance.app.amqp.queues.select_add(_own_bell(sender))
