"""One stack per data folder, by advisory file locks: the kernel drops them however a holder ends.

Two locks, because a stack has two lives. `up.lock` is held by `up` itself. `guardian.lock` is held
by the guardian, which outlives a killed `up` until the last process has ended: a new `up` that
gets the first lock waits for the second.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class FileLock:
    """An exclusive lock on a file. Children that inherit `fileno()` hold it too."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._open = True

    def acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait(self, seconds: float, halted: Callable[[], bool] = lambda: False) -> bool:
        """Take the lock within `seconds`; False if it stays with its holder."""
        end = time.monotonic() + seconds
        while not self.acquire():
            if time.monotonic() > end or halted():
                return False
            time.sleep(0.05)
        return True

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Let go. The lock itself stays with children that inherited it."""
        if self._open:
            self._open = False
            os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
