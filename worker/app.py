"""The Celery side of a worker: one task, which answers the doorbell."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from core import logs
from core.doorbell import LOOK, celery_app
from core.settings import get_settings
from worker import heartbeat
from worker.launcher import Launcher
from worker.own_bell import OwnBell
from worker.supervisor import work_off

app = celery_app()
_launcher = Launcher()  # of the pool's one process; starts nothing by itself
app.steps["consumer"].add(OwnBell)


def drain_file(celery_pid: int) -> Path:
    """Exists once the worker with this process id has been asked to stop."""
    return get_settings().scratch_dir / f"drain-{celery_pid}"


@app.task(name=LOOK)
def look(pool: str) -> None:
    """Work until nothing waits in `pool`, or until the worker is asked to stop."""
    heartbeat.beat()
    with logs.bound():
        work_off(pool, _launcher, draining=drain_file(os.getppid()).exists)


@setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """Celery configures no logging of its own once somebody listens here."""


@worker_shutting_down.connect
def _ask_steps_to_stop(**_: Any) -> None:
    # Celery's orderly stop waits for the running task without limit and tells it nothing.
    path = drain_file(os.getpid())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@worker_process_init.connect
def _end_with_parent(**_: Any) -> None:
    """A pool process whose Celery process was killed must not work on unseen."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def warm_up(**_: Any) -> None:
    """Import torch while nobody waits for it, not when the first step does."""
    _launcher.warm_up()
