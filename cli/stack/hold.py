"""Holding a data folder: nobody else starts on it, and nothing of an earlier run is left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cli.stack.ending import sweep
from cli.stack.errors import AlreadyRunning, Halted, StackError
from cli.stack.folder import DataFolder, write_private
from cli.stack.info import StackInfo
from cli.stack.lock import FileLock
from cli.stack.processes import Processes

LEFTOVER_SECONDS = 60.0


@contextmanager
def hold(folder: DataFolder, halted: Callable[[], bool] = lambda: False) -> Iterator[Processes]:
    """Hold a folder and the processes on it; on leaving, all of them have ended.

    Args:
        halted: asked while waiting for an earlier run; once true, waiting is over.

    Raises:
        AlreadyRunning: another process holds the folder.
        StackError: an earlier run does not end.
    """
    with FileLock(folder.root / "up.lock") as lock:
        if not lock.acquire():
            raise AlreadyRunning(_where(folder))
        folder.stack.unlink(missing_ok=True)
        processes = _begin(folder, halted)
        try:
            yield processes
        finally:
            processes.stop()


def _begin(folder: DataFolder, halted: Callable[[], bool]) -> Processes:
    """Wait until a killed run has ended for good, then begin a new one."""
    with FileLock(folder.root / "guardian.lock") as lock:
        if not lock.wait(LEFTOVER_SECONDS, halted):
            if halted():
                raise Halted
            raise StackError(
                f"Processes of an earlier run on {folder.root} do not end. See {folder.logs}."
            )
        stamp = folder.root / "stamp"
        if stamp.exists():
            sweep(stamp.read_text())  # somebody killed the guardian, too
        processes = Processes(folder.logs, lock)
        write_private(stamp, processes.stamp)
    return processes


def _where(folder: DataFolder) -> str:
    info = StackInfo.read(folder.stack)
    if info is None:
        return f"A stack on {folder.root} is starting or stopping already."
    return (
        f"Already running on {folder.root} (process {info.pid}): API {info.api_url}, "
        f"docs {info.docs_url}, logs {info.logs}."
    )
