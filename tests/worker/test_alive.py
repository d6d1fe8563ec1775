"""`python -m worker.alive` sees whether real workers do something."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.settings import Settings

SECONDS = 240.0
LIMIT = "3"


@pytest.fixture
def environment(servers: Settings, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "UNLEARNABLE_SCRATCH_DIR": str(tmp_path),
        "UNLEARNABLE_HEARTBEAT_SECONDS": "0.3",
        "UNLEARNABLE_SWEEP_SECONDS": "0.5",
    }


@pytest.fixture
def start(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=environment, stdout=log, stderr=log
            )
        started.append(process)
        return process

    yield start
    for process in started:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            one.send_signal(signal.SIGCONT)
        process.terminate()
        assert process.wait(SECONDS) == 0, (tmp_path / "log").read_text()


def alive(environment: dict[str, str], role: str) -> tuple[bool, str]:
    done = subprocess.run(
        [sys.executable, "-m", "worker.alive", role, "--seconds", LIMIT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode == 0, done.stdout


def wait_until(environment: dict[str, str], role: str, expected: bool) -> str:
    deadline = time.monotonic() + SECONDS
    while (found := alive(environment, role))[0] != expected:
        assert time.monotonic() < deadline, found[1]
        time.sleep(0.2)
    return found[1]


def test_an_idle_worker_beats_and_one_whose_pool_hangs_does_not(
    environment: dict[str, str], start: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    assert alive(environment, "ingest") == (False, "no ingest runs here\n")
    worker = psutil.Process(start("worker.main", "ingest").pid)
    wait_until(environment, "ingest", expected=True)
    time.sleep(float(LIMIT) + 1)  # longer than a beat counts: it goes on without any work
    assert f"ingest {worker.pid}: last beat" in wait_until(environment, "ingest", expected=True)
    assert alive(environment, "compute") == (False, "no compute runs here\n")

    (pool,) = worker.children()
    assert pool.children() == []  # nobody who imports torch for it
    pool.suspend()
    assert "not alive" in wait_until(environment, "ingest", expected=False)
    pool.resume()
    wait_until(environment, "ingest", expected=True)


@pytest.mark.parametrize("role", ["sweeper", "webhooks"])
def test_a_loop_beats_until_it_hangs(
    environment: dict[str, str], start: Callable[..., "subprocess.Popen[bytes]"], role: str
) -> None:
    loop = psutil.Process(start(f"worker.{role}").pid)
    wait_until(environment, role, expected=True)
    loop.suspend()
    assert "not alive" in wait_until(environment, role, expected=False)
    loop.resume()
    wait_until(environment, role, expected=True)


def test_one_that_was_killed_is_not_alive_even_if_its_number_is_anothers(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "heartbeats"
    folder.mkdir()
    (folder / f"compute-{os.getpid()}").touch()
    assert alive(environment, "compute") == (False, "no compute runs here\n")
    assert list(folder.iterdir()) == []
