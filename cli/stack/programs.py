"""The Python processes of a stack: how each is started and how long its orderly end may take.

This is the one place in `cli` that knows the names of the other packages' entry points.
"""

import signal
import sys
from pathlib import Path

from cli.stack.ending import APPLICATION
from cli.stack.environment import SUPERUSER_URL, inherited, usable_cores
from cli.stack.processes import Program

API_GRACE = 15.0  # more than what it gives open requests
WORKER_GRACE = 35.0  # a running step writes its checkpoint, and its lease is given back


def _python(
    name: str, grace: float, environment: dict[str, str], *arguments: str | Path
) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-m", *arguments],
        environment=environment,
        stage=APPLICATION,
        stop=signal.SIGTERM,
        grace=grace,
    )


def prepare(settings: dict[str, str], superuser_url: str, key_file: Path) -> Program:
    """The chores between running servers and the first request."""
    environment = inherited() | settings | {SUPERUSER_URL: superuser_url}
    return _python("prepare", 5.0, environment, "cli.stack.prepare", key_file)


def api(settings: dict[str, str], port: int) -> Program:
    """The HTTP API."""
    return _python(
        "api",
        API_GRACE,
        inherited() | settings,
        "service.main",
        f"--port={port}",
    )


def workers(settings: dict[str, str]) -> list[Program]:
    """The worker that reads uploads, the one that trains, and the sweeper."""
    environment = inherited() | settings
    compute = {"OMP_NUM_THREADS": str(usable_cores())} | environment  # the person's choice wins
    return [
        _python("worker-ingest", WORKER_GRACE, environment, "worker.main", "ingest"),
        _python("worker-compute", WORKER_GRACE, compute, "worker.main", "compute"),
        _python("sweeper", 10.0, environment, "worker.sweeper"),
    ]


def webhooks(settings: dict[str, str]) -> Program:
    """The sender of webhooks."""
    return _python("webhooks", 10.0, inherited() | settings, "worker.webhooks")
