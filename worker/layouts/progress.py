"""Counts images done and tells a listener, often enough for a bar and seldom enough to be free."""

import time
from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

_SECONDS_BETWEEN = 0.2


class Progress:
    """Calls `on_progress` at the start, at most five times a second, and at the end."""

    def __init__(self, on_progress: OnProgress, total: int) -> None:
        self._on_progress = on_progress
        self._total = total
        self._done = 0
        self._tell()

    def add(self, count: int = 1) -> None:
        self._done += count
        if self._done >= self._total or time.monotonic() - self._told >= _SECONDS_BETWEEN:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._on_progress(self._done, self._total)
