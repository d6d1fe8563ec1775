"""Children, their end, and the guardian, with small programs in place of servers."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.ending import APPLICATION, SERVER, is_alive, stamped
from cli.stack.environment import bare
from cli.stack.errors import Halted, StackError
from cli.stack.lock import FileLock
from cli.stack.processes import ChildDied, Processes, Program

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(600)"
)
# Starts a grandchild that leaves the session, and says its process id.
PARENT = (
    "import subprocess, sys, time;"
    "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True); print(c.pid, flush=True); time.sleep(600)"
)
ORDERLY = (
    "import signal, sys, time;"
    "signal.signal(signal.SIGTERM, lambda *_: (print(time.monotonic(), flush=True), sys.exit()));"
    "print('up', flush=True); time.sleep(600)"
)


def program(name: str, code: str, *, stage: int = APPLICATION, grace: float = 10.0) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-c", code],
        environment=bare(Path("/")),
        stage=stage,
        stop=signal.SIGTERM,
        grace=grace,
    )


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with FileLock(tmp_path / "guardian.lock") as lock:
        assert lock.acquire()
        started = Processes(tmp_path, lock)
    yield started
    started.stop()


def first_line(log: Path) -> str:
    deadline = time.monotonic() + 20
    while not log.exists() or "\n" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text().split("\n")[0]


def test_a_dead_child_is_named_with_its_last_words(processes: Processes) -> None:
    said = "import sys; [print('line', n) for n in range(40)]; sys.exit(9)"
    child = processes.start(program("talker", said))
    with pytest.raises(ChildDied, match="talker ended with exit code 9") as caught:
        processes.wait_until(child, lambda: False, seconds=20)
    assert "line 39" in str(caught.value)
    assert "line 10" not in str(caught.value)


def test_a_program_that_does_not_exist(processes: Processes) -> None:
    missing = Program("ghost", ["/nowhere/ghost"], {}, APPLICATION, signal.SIGTERM, 1.0)
    with pytest.raises(StackError, match="ghost cannot be started"):
        processes.start(missing)


def test_a_child_that_never_answers(processes: Processes) -> None:
    child = processes.start(program("mute", STUBBORN, grace=0.0))
    with pytest.raises(StackError, match="mute did not answer"):
        processes.wait_until(child, lambda: False, seconds=0.2)


def test_applications_end_before_servers(processes: Processes) -> None:
    server = processes.start(program("server", ORDERLY, stage=SERVER))
    application = processes.start(program("application", ORDERLY))
    for child in (server, application):
        assert first_line(child.log) == "up"
    processes.stop()
    ended = [float(child.log.read_text().split()[1]) for child in (application, server)]
    assert ended == sorted(ended)


def test_who_does_not_listen_is_killed_after_its_grace(processes: Processes) -> None:
    child = processes.start(program("stubborn", STUBBORN, grace=0.5))
    assert first_line(child.log) == "up"
    started = time.monotonic()
    processes.stop()
    assert 0.5 <= time.monotonic() - started < 8
    assert child.code == -signal.SIGKILL


def test_in_a_hurry_nobody_gets_grace(processes: Processes) -> None:
    child = processes.start(program("stubborn", STUBBORN, grace=60))
    assert first_line(child.log) == "up"
    processes.hurry.set()
    started = time.monotonic()
    processes.stop()
    assert time.monotonic() - started < 8
    assert child.code == -signal.SIGKILL


def test_a_grandchild_in_a_session_of_its_own_ends_too(processes: Processes) -> None:
    child = processes.start(program("parent", PARENT))
    grandchild = psutil.Process(int(first_line(child.log)))
    processes.stop()
    assert not is_alive(grandchild)


def test_nothing_starts_once_halted(processes: Processes) -> None:
    processes.halt.set()
    with pytest.raises(Halted):
        processes.start(program("late", STUBBORN))


def test_a_killed_guardian_is_noticed(processes: Processes) -> None:
    guardian = psutil.Process(processes.pids()["guardian"])
    guardian.kill()
    while is_alive(guardian):
        time.sleep(0.02)
    with pytest.raises(ChildDied, match="guardian was killed by signal 9"):
        processes.check()


def test_the_guardian_ends_the_children_of_a_killed_process(tmp_path: Path) -> None:
    holder = f"""
import signal, sys, time
from pathlib import Path
from cli.stack.lock import FileLock
from cli.stack.processes import Processes, Program
lock = FileLock(Path({str(tmp_path / "lock")!r}))
lock.acquire()
processes = Processes(Path({str(tmp_path)!r}), lock)
for name, code in (("parent", {PARENT!r}), ("stubborn", {STUBBORN!r})):
    processes.start(Program(name, [sys.executable, "-c", code], {{}}, 0, signal.SIGTERM, 0.5))
print(processes.stamp, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        stamp = up.stdout.readline().strip()
        first_line(tmp_path / "parent.log")
        first_line(tmp_path / "stubborn.log")
        assert len(stamped(stamp)) == 3
        up.kill()
    with FileLock(tmp_path / "lock") as lock:
        assert lock.wait(20)
    assert stamped(stamp) == []
    with contextlib.suppress(FileNotFoundError):
        assert (tmp_path / "guardian.log").read_text() == ""
