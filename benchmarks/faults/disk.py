"""Disks that are full for the length of a `with` block."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import MIB

LEFT_BYTES = 4096


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left on the disk of a folder: a real disk, which must be a small one."""
    ballast = folder / "ballast"
    block = bytes(MIB)
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    if file.write(block) < len(block):
                        break
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_files_only(pid: int) -> Iterator[None]:
    """A process can write no file beyond a page, where no disk may be mounted (EFBIG)."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (LEFT_BYTES, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        except ProcessLookupError:
            os.sched_yield()  # it has ended meanwhile, its limit with it
