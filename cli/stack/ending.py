"""Ending processes: ask, wait, insist, and leave nothing behind.

Shared by `up`, which ends its own children, and by the guardian, which ends the children of an `up`
that was killed; so it works by process id and never waits on a child.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

# Every process of a stack carries this variable and hands it down, so that also a grandchild that
# left its process group is found.
STAMP = "UNLEARNABLE_STACK_STAMP"
POLL_SECONDS = 0.05

# Applications end before the servers that they write to.
APPLICATION, SERVER = 0, 1


@dataclass(frozen=True)
class Member:
    """A process that leads its own session.

    Attributes:
        stop: the signal that asks it to end in good order.
        grace: how long it may take over that, in seconds, before it is killed.
    """

    name: str
    pid: int
    stage: int
    stop: int
    grace: float
    process: psutil.Process | None = field(compare=False)

    @classmethod
    def of(cls, name: str, pid: int, stage: int, stop: int, grace: float) -> "Member":
        # Taken while the process lives: psutil then remembers its start time, and never mistakes
        # a later process that was given the same id for it.
        try:
            process = psutil.Process(pid)
        except psutil.NoSuchProcess:
            process = None
        return cls(name, pid, stage, stop, grace, process)

    def alive(self) -> bool:
        return self.process is not None and is_alive(self.process)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs. A zombie does not: it only waits to be reaped."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stamped(stamp: str) -> list[psutil.Process]:
    """Every living process that carries `stamp` in the environment it was started with."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(STAMP) == stamp and is_alive(process):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone: not ours in either case
    return found


def end(members: Iterable[Member], hurried: Callable[[], bool] = lambda: False) -> None:
    """End all members, applications first, each within its grace; then return.

    Args:
        hurried: asked again and again; once true, waiting is over and the rest is killed. Servers
            still get two seconds, so that they need no recovery at the next start.
    """
    members = list(members)
    for stage in (APPLICATION, SERVER):
        _end_stage([member for member in members if member.stage == stage], hurried)


def _end_stage(members: list[Member], hurried: Callable[[], bool]) -> None:
    started = time.monotonic()
    living = [member for member in members if member.alive()]
    for member in living:
        send(member.process, member.stop)
    while living:
        waited = time.monotonic() - started
        for member in living:
            patience = 2.0 * member.stage if hurried() else member.grace
            if waited > min(patience, member.grace):
                kill_group(member)
        time.sleep(POLL_SECONDS)
        living = [member for member in living if member.alive()]


def send(process: psutil.Process | None, number: int) -> None:
    """Send a signal to one process, if it is still there."""
    try:
        if process is not None:
            process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def kill_group(member: Member) -> None:
    """Kill a living member and everything in its process group."""
    try:
        os.killpg(member.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS: PermissionError when all are zombies
        return


def sweep(stamp: str, seconds: float = 10.0) -> None:
    """Kill every process that still carries `stamp`, until there is none or time is up."""
    deadline = time.monotonic() + seconds
    while (left := stamped(stamp)) and time.monotonic() < deadline:
        for process in left:
            send(process, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
