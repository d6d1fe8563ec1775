"""Processes for steps: forked from one server, killed with all they started, their end told."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from core import steps
from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from tests.rows import add_dataset
from worker import flow
from worker.attempt import process_name
from worker.launcher import Attempt, ForkServer, Launcher

PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def launcher(servers: Settings) -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture
def claim(servers: Settings) -> steps.Claim:
    pool = new_id("pool")
    with transaction() as session:
        dataset = add_dataset(session)
        steps.enqueue(
            session, kind="train", pool=pool, tenant_id=dataset.tenant_id, dataset_id=dataset.id
        )
        claim = steps.claim(session, pool, "tester", 600, kinds=flow.KINDS)
    assert claim is not None
    return claim


@pytest.fixture
def attempt(launcher: Launcher, claim: steps.Claim) -> Iterator[Attempt]:
    """An attempt that has begun, and gets no further than to ask for its step."""
    with transaction() as session:
        session.execute(text("LOCK TABLE steps IN ACCESS EXCLUSIVE MODE"))
        attempt = launcher.start(claim)
        while attempt.pid is None:
            assert attempt.wait(PATIENCE_SECONDS) is None
        while psutil.Process(attempt.pid).name() != process_name(claim.step_id):
            assert attempt.wait(0.01) is None
        yield attempt
        attempt.kill()
        attempt.close()


def test_an_attempt_that_ends_tells_how_and_its_last_words(
    launcher: Launcher, claim: steps.Claim
) -> None:
    with transaction() as session:
        steps.drop(session, claim)  # it finds that the step is not its own
    attempt = launcher.start(claim)
    last_words = attempt.stderr.read()
    while attempt.returncode is None:
        attempt.wait(PATIENCE_SECONDS)
    attempt.kill()
    attempt.close()
    assert attempt.returncode == 1
    assert "LeaseLost" in last_words


def test_an_attempt_that_is_killed_tells_by_what(attempt: Attempt) -> None:
    assert attempt.pid is not None
    os.kill(attempt.pid, signal.SIGKILL)
    assert attempt.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    attempt.kill()
    assert not psutil.pid_exists(attempt.pid)


def test_an_attempt_that_is_asked_to_stop_hears_it_from_its_first_moment(attempt: Attempt) -> None:
    attempt.terminate()
    assert attempt.wait(PATIENCE_SECONDS) == -signal.SIGTERM


def test_the_fork_server_has_one_thread_and_is_not_ours_to_interrupt(attempt: Attempt) -> None:
    server = psutil.Process(attempt.pid).parent()
    assert server is not None
    assert server.num_threads() == 1
    server.terminate()  # as whoever stops a service does to all its processes
    assert attempt.wait(0.5) is None
    assert server.is_running()


def test_an_attempt_without_its_fork_server_is_killed_and_the_next_has_another(
    launcher: Launcher, attempt: Attempt, claim: steps.Claim
) -> None:
    assert attempt.pid is not None
    os.kill(psutil.Process(attempt.pid).ppid(), signal.SIGKILL)
    assert attempt.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    attempt.kill()
    following = launcher.start(claim)
    while following.pid is None:
        assert following.wait(PATIENCE_SECONDS) is None
    following.kill()
    following.close()
    assert following.returncode == -signal.SIGKILL


def test_an_attempt_that_has_not_begun_can_be_stopped(
    launcher: Launcher, claim: steps.Claim
) -> None:
    launcher.close()
    attempt = launcher.start(claim)
    attempt.terminate()
    assert attempt.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    attempt.kill()
    attempt.close()


def test_a_fork_server_that_imports_ends_with_its_supervisor(servers: Settings) -> None:
    server = ForkServer()
    maps = psutil.Process(server.process.pid).memory_maps
    while not any("libtorch" in mapped.path for mapped in maps()):
        assert server.process.poll() is None
        time.sleep(0.01)
    os.close(server.lifeline)
    assert server.process.wait(PATIENCE_SECONDS) == -signal.SIGIO
    server.control.close()


def test_a_compute_worker_has_a_fork_server_before_its_first_step(
    servers: Settings, tmp_path: Path
) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "worker.main", "compute"],
        env=os.environ | {"UNLEARNABLE_SCRATCH_DIR": str(tmp_path)},
    )
    processes: list[psutil.Process] = []
    try:
        while not any("worker.fork_server" in one.cmdline() for one in processes):
            assert worker.poll() is None
            time.sleep(0.05)
            processes = psutil.Process(worker.pid).children(recursive=True)
    finally:
        worker.kill()
        worker.wait()
    _, left = psutil.wait_procs(processes, PATIENCE_SECONDS)
    assert left == []
