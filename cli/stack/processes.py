"""The children of one stack: started in their own sessions, watched, logged, and ended in order."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.stack.ending import STAMP, Member, end, sweep
from cli.stack.errors import Halted, StackError
from cli.stack.lock import FileLock

TAIL_LINES = 15
TAIL_BYTES = 16_384
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """What to start.

    Attributes:
        environment: the whole environment; nothing is inherited.
        user: user id to run as; None for ours.
        stage: `APPLICATION` ends before `SERVER`.
        stop: the signal that asks it to end in good order.
        grace: seconds it may take over that.
    """

    name: str
    command: Sequence[str | Path]
    environment: dict[str, str]
    stage: int
    stop: int
    grace: float
    user: int | None = None
    group: int | None = None


class ChildDied(StackError):
    """A child ended by itself. The message carries the last lines of its log."""

    def __init__(self, name: str, code: int, log: Path) -> None:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = tail(log)
        said = "\n".join(f"    {line}" for line in lines) if lines else "    (nothing)"
        super().__init__(f"{name} {how}. The last lines of {log}:\n{said}")
        self.name = name


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log; none if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:]


class Child:
    """A started program."""

    def __init__(self, program: Program, popen: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = program.name
        self.log = log
        self.pid = popen.pid
        self._popen = popen
        self.member = Member.of(program.name, popen.pid, program.stage, program.stop, program.grace)

    @property
    def code(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._popen.poll()

    def check(self) -> None:
        """Raise `ChildDied` unless it runs."""
        if self.code is not None:
            raise ChildDied(self.name, self.code, self.log)

    def reap(self) -> None:
        """Take the exit code of an ended child, so that no zombie is left."""
        self._popen.wait()


class Processes:
    """All children of one stack, and the guardian that watches over them.

    Safe to use from several threads: servers are started side by side.
    """

    def __init__(self, logs: Path, guardian_lock: FileLock) -> None:
        self.stamp = secrets.token_hex(16)
        self.children: list[Child] = []
        self.halt = threading.Event()
        self.hurry = threading.Event()
        self.at_end: list[Callable[[], None]] = []  # called once everything has ended
        self._logs = logs
        self._mutex = threading.Lock()
        log = self._open_log("guardian")
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "cli.stack.guardian", self.stamp],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[guardian_lock.fileno()],
            cwd="/",
            start_new_session=True,
        )
        os.close(log)

    def _log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _open_log(self, name: str) -> int:
        """A fresh log; the one of the run before is kept beside it."""
        path = self._log_path(name)
        if path.exists():
            path.replace(path.with_suffix(".previous.log"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)

    def start(self, program: Program) -> Child:
        """Start a program and tell the guardian.

        Raises:
            Halted: the stack is being stopped.
            StackError: the program cannot be started at all.
        """
        with self._mutex:
            if self.halt.is_set():
                raise Halted
            log = self._open_log(program.name)
            try:
                popen = subprocess.Popen(
                    program.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=program.environment | {STAMP: self.stamp},
                    cwd="/",
                    start_new_session=True,
                    user=program.user,
                    group=program.group,
                    extra_groups=None if program.user is None else [],
                )
            except OSError as error:
                raise StackError(f"{program.name} cannot be started: {error}.") from error
            finally:
                os.close(log)
            child = Child(program, popen, self._log_path(program.name))
            self.children.append(child)
            self._tell_guardian(child.member)
            return child

    def run(self, program: Program, seconds: float = 180.0) -> None:
        """Run a program to its end.

        Raises:
            ChildDied: it failed.
            StackError: it took longer than `seconds`.
        """
        child = self.start(program)
        deadline = time.monotonic() + seconds
        while child.code is None:
            if self.halt.is_set():
                raise Halted
            if time.monotonic() > deadline:
                raise StackError(f"{child.name} did not finish in {seconds:.0f} s; see {child.log}")
            time.sleep(POLL_SECONDS)
        with self._mutex:
            self.children.remove(child)
        if child.code:
            raise ChildDied(child.name, child.code, child.log)

    def wait_until(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a child to answer.

        Raises:
            ChildDied: it ended instead.
            Halted: the stack is being stopped.
            StackError: it did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            child.check()
            if self.halt.is_set():
                raise Halted
            if time.monotonic() > deadline:
                last = "\n".join(f"    {line}" for line in tail(child.log))
                raise StackError(
                    f"{child.name} did not answer within {seconds:.0f} s. "
                    f"The last lines of {child.log}:\n{last}"
                )
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise `ChildDied` for the first child that is gone, the guardian included."""
        for child in self.children:
            child.check()
        code = self._guardian.poll()
        if code is not None:
            raise ChildDied("guardian", code, self._log_path("guardian"))

    def pids(self) -> dict[str, int]:
        """Process ids by name, the guardian included."""
        return {child.name: child.pid for child in self.children} | {"guardian": self._guardian.pid}

    def stop(self) -> None:
        """End all children in order, then their leftovers, then the guardian."""
        self.halt.set()
        with self._mutex:
            children = list(self.children)
        end([child.member for child in children], self.hurry.is_set)
        sweep(self.stamp)
        for child in children:
            child.reap()
        self._guardian.communicate()  # closes its input; it finds nothing left to do
        self.children.clear()
        for chore in self.at_end:
            chore()

    def _tell_guardian(self, member: Member) -> None:
        line = {
            "name": member.name,
            "pid": member.pid,
            "stage": member.stage,
            "stop": member.stop,
            "grace": member.grace,
        }
        assert self._guardian.stdin is not None
        try:
            self._guardian.stdin.write(json.dumps(line).encode() + b"\n")
            self._guardian.stdin.flush()
        except BrokenPipeError:
            code = self._guardian.wait()
            raise ChildDied("guardian", code, self._log_path("guardian")) from None
