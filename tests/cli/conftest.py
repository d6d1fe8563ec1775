"""A folder for stacks, and the `unlearnable up` of a person at a terminal."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack.ending import is_alive, stamped
from cli.stack.info import StackInfo
from cli.stack.temporary import temporary_data

READY_SECONDS = 90.0
COMMAND = Path(sys.executable).parent / "unlearnable"


class Up:
    """One `unlearnable up` as a process of its own."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self._ready_file = data.parent / f"{data.name}-ready.json"
        self._ready_file.unlink(missing_ok=True)
        # A shell's background job ignores Ctrl-C and hands that down; a person's terminal does not.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen(
            [COMMAND, "up", f"--data={data}", f"--ready-file={self._ready_file}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def ready(self) -> StackInfo:
        """Wait until the stack is ready."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready_file.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "not ready in time"
            time.sleep(0.05)
        info = StackInfo.read(self._ready_file)
        assert info is not None
        return info

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal to `up` alone and wait for its exit code and output."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.fixture
def data() -> Iterator[Path]:
    with temporary_data() as path:
        yield path.with_name("data with a blank")


@pytest.fixture
def up(data: Path) -> Iterator[Callable[..., Up]]:
    """Starts `unlearnable up` on the data folder; whatever is left of it at the end is killed."""
    started: list[Up] = []

    def start(*arguments: str) -> Up:
        started.append(Up(data, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.end(signal.SIGTERM)
    assert not living_on(data)


def living_on(data: Path) -> list[psutil.Process]:
    """Processes that carry the stamp of the last run on a folder, or work inside the folder."""
    stamp = data / "stamp"
    found = stamped(stamp.read_text()) if stamp.exists() else []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(data):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def alive(info: StackInfo) -> dict[str, int]:
    """Those processes of a stack that still run."""
    living = {}
    for name, pid in info.processes.items():
        try:
            if is_alive(psutil.Process(pid)):
                living[name] = pid
        except psutil.NoSuchProcess:
            continue
    return living


def await_end(info: StackInfo, seconds: float = 30.0) -> None:
    """Fail unless every process of a stack ends within `seconds`."""
    deadline = time.monotonic() + seconds
    while left := alive(info):
        assert time.monotonic() < deadline, f"still alive: {left}"
        time.sleep(0.05)


@pytest.fixture
def relocated() -> Iterator[Callable[[Path], None]]:
    """Removes clusters that had to live outside their data folder."""
    homes: list[Path] = []
    yield homes.append
    for home in homes:
        shutil.rmtree(home)
