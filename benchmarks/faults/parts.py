"""A stack whose parts can be killed, stopped and started again, as a supervisor of hosts would."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from cli.stack import programs
from cli.stack.folder import DataFolder
from cli.stack.hold import hold
from cli.stack.ports import PortBook
from cli.stack.processes import Child, Processes, Program
from cli.stack.servers import Servers
from cli.stack.temporary import temporary_data

API, SWEEPER, INGEST = "api", "sweeper", "worker-ingest"
WORKERS = ("worker-compute-1", "worker-compute-2")
POSTGRES, VALKEY, STORE = "postgres", "valkey", "seaweedfs"
READY_SECONDS = 60.0
SCRATCH_MIB = 64


class Parts:
    """The parts of one stack by name. Used through `running_parts`.

    Attributes:
        settings: the environment that every Python part runs with.
        api_key: of the only tenant.
        api_url: where the API answers.
        scratch: the workers' folder; on a small disk of its own if `small_disk`.
    """

    def __init__(
        self, folder: DataFolder, processes: Processes, extra: dict[str, str], *, small_disk: bool
    ) -> None:
        ports = PortBook(folder.ports)
        self._processes = processes
        self._port = ports.take("api")
        self._servers = Servers(folder, ports)
        ports.save()
        self.api_url = f"http://127.0.0.1:{self._port}"
        self.settings = self._servers.environment() | extra
        self._servers.start(processes, self.settings, ready=lambda _: None)
        self.api_key = folder.api_key.read_text()
        self.scratch = folder.scratch
        self.small_disk = small_disk
        self._programs = self._all_programs()
        for name in self._programs:
            self.start(name)

    def _all_programs(self) -> dict[str, Program]:
        ingest, compute, sweeper = programs.workers(self.settings)
        # One thread each: the same order of additions, and so the same bytes, whoever runs a step.
        one_thread = {"OMP_NUM_THREADS": "1"}
        made = [programs.api(self.settings, self._port), ingest, sweeper]
        made += [
            replace(compute, name=name, environment=compute.environment | one_thread)
            for name in WORKERS
        ]
        return {program.name: program for program in made}

    def pid(self, name: str) -> int:
        return self._child(name).pid

    def _child(self, name: str) -> Child:
        return next(c for c in reversed(self._processes.children) if c.name == name)

    def kill(self, name: str) -> None:
        """kill -9 of the part's first process, and of nothing else."""
        child = self._child(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        child.reap()

    def stop(self, name: str) -> float:
        """Ask a part to end in good order and wait for it; the seconds that it took."""
        child = self._child(name)
        started = time.monotonic()
        os.kill(child.pid, child.member.stop)
        while child.code is None and time.monotonic() - started < child.member.grace:
            time.sleep(0.02)
        seconds = time.monotonic() - started
        if child.code is None:
            raise AssertionError(f"{name} did not end within {child.member.grace} s")
        return seconds

    def start(self, name: str) -> None:
        """Start a part that is down; returns once it can be used, in case of the API."""
        for server in (self._servers.postgres, self._servers.valkey, self._servers.store):
            if server.name == name:
                server.start(self._processes)
                return
        child = self._processes.start(self._programs[name])
        if name == API:
            self._processes.wait_until(child, self._api_answers, READY_SECONDS)

    def ensure_all_run(self) -> None:
        """Raise unless every part runs: none may have died beside the one that was hurt."""
        for name in (*self._programs, POSTGRES, VALKEY, STORE):
            self._child(name).check()

    def attempts(self) -> list[psutil.Process]:
        """The processes in which steps run now, each named after its step."""
        found = []
        for server in self._fork_servers():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += server.children()
        return found

    def fork_server(self, attempt: psutil.Process) -> psutil.Process:
        """The process that an attempt was forked from.

        Raises:
            psutil.NoSuchProcess: one of the two has ended.
        """
        # An orphan's parent is the machine's first process, which nobody shall hurt.
        parent = attempt.ppid()
        for server in self._fork_servers():
            if server.pid == parent:
                return server
        raise psutil.NoSuchProcess(attempt.pid)

    def _fork_servers(self) -> list[psutil.Process]:
        found = []
        for name in WORKERS:
            with contextlib.suppress(psutil.NoSuchProcess):
                for pool in psutil.Process(self.pid(name)).children():
                    found += [one for one in pool.children() if _runs(one, "worker.fork_server")]
        return found

    def supervisor(self, attempt: psutil.Process) -> psutil.Process:
        """The process of the worker's pool that watches over an attempt.

        Raises:
            psutil.NoSuchProcess: the attempt has ended.
        """
        parent = self.fork_server(attempt).parent()
        if parent is None or parent.ppid() != self.pid(self.worker_of(attempt)):
            raise psutil.NoSuchProcess(attempt.pid)
        return parent

    def worker_of(self, attempt: psutil.Process) -> str:
        """The name of the worker that an attempt belongs to.

        Raises:
            psutil.NoSuchProcess: the attempt has ended.
        """
        ancestors = {process.pid for process in attempt.parents()}
        for name in WORKERS:
            if self.pid(name) in ancestors:
                return name
        raise psutil.NoSuchProcess(attempt.pid)

    def _api_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running_parts(extra: dict[str, str]) -> Iterator[Parts]:
    """A stack with two compute workers for the length of a `with` block; nothing of it stays.

    Args:
        extra: settings beside those that lead to the servers.
    """
    with temporary_data() as path:
        folder = DataFolder(path)
        with small_disk(folder.scratch) as is_small, hold(folder) as processes:
            yield Parts(folder, processes, extra, small_disk=is_small)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of `SCRATCH_MIB` at a folder, if this user may mount one. False if not."""
    mounted = _quietly(
        ["mount", "-t", "tmpfs", "-o", f"size={SCRATCH_MIB}m,mode=0700", "tmpfs", str(folder)]
    )
    try:
        yield mounted
    finally:
        if mounted and not _within(10.0, lambda: _quietly(["umount", str(folder)])):
            raise RuntimeError(f"{folder} is still mounted")


def _quietly(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
