"""A worker's sign of life: a file that it touches while it answers bells or holds a lease.

Touched by the pool process that answers a bell (an idle worker rings its own, `own_bell.py`), or by
the thread that renews the lease of a step.

The file is locked by whoever touches it. A process id would not tell whether a file is of the
living: after a restart of a container the number of one that was killed is soon another's.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.settings import get_settings

SWEEPER, WEBHOOKS = "sweeper", "webhooks"

_file: Path | None = None  # of this process or, in a pool process, of its parent
_locks: list[int] = []  # open for as long as this process lives


def _folder() -> Path:
    return get_settings().scratch_dir / "heartbeats"


def begin(role: str) -> None:
    """From now on this process, and those it forks, beat as `role`."""
    global _file
    _file = _folder() / f"{role}-{os.getpid()}"
    _lock(_file)


def beat() -> None:
    """Say that this worker does something; without `begin`, nobody listens."""
    if _file is None:
        return
    try:
        os.utime(_file)
    except FileNotFoundError:
        _lock(_file)


def _lock(path: Path) -> None:
    """Make the file, under a name that nobody looks at until it is locked."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, hidden = tempfile.mkstemp(prefix=".", dir=path.parent)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    Path(hidden).rename(path)
    _locks.append(descriptor)


def end() -> None:
    """This worker stops in good order."""
    if _file is not None:
        _file.unlink(missing_ok=True)


def quiet(seconds: float) -> str | None:
    """As what this process beats, if neither it nor those it forked have done so for so long."""
    if _file is None or time.time() - _file.stat().st_mtime < seconds:
        return None
    return _file.name.rpartition("-")[0]


@dataclass(frozen=True)
class Beat:
    """When a living process of a role last did something."""

    pid: int
    age_seconds: float


def beats(role: str) -> list[Beat]:
    """Of every process of this machine that began as `role` and has not ended."""
    found = []
    for path in _folder().glob(f"{role}-*"):
        with contextlib.suppress(FileNotFoundError), path.open() as file:
            if _is_locked(file.fileno()):
                age = time.time() - os.fstat(file.fileno()).st_mtime
                found.append(Beat(int(path.name.removeprefix(f"{role}-")), age))
            else:
                path.unlink()
    return found


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
