"""One whole stack: what starts in which order, and how it comes down again."""

import contextlib
import dataclasses
import http.client
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from cli.stack import programs
from cli.stack.ending import sweep
from cli.stack.errors import AlreadyRunning, Halted, StackError
from cli.stack.folder import DataFolder, read_json, write_private
from cli.stack.lock import FileLock
from cli.stack.ports import PortBook
from cli.stack.postgres import Postgres
from cli.stack.processes import Processes
from cli.stack.seaweedfs import SeaweedFS
from cli.stack.valkey import Valkey

API_PORT = 8000
API_SECONDS = 60.0
LEFTOVER_SECONDS = 60.0

Report = Callable[[str, float], None]


class Server(Protocol):
    """A server that the API stands on."""

    name: str

    def start(self, processes: Processes) -> None: ...


@dataclass(frozen=True)
class StackInfo:
    """Where a running stack is. Holds secrets: written only to files that its owner can read.

    Attributes:
        pid: the process that holds the stack.
        environment: settings for any process that wants to use the same servers.
        processes: process ids of the children, by name.
    """

    pid: int
    api_url: str
    api_key: str
    data: Path
    logs: Path
    postgres_data: Path
    database_url: str
    broker_url: str
    s3_endpoint_url: str
    seconds: float
    environment: dict[str, str]
    processes: dict[str, int]

    @property
    def docs_url(self) -> str:
        return f"{self.api_url}/docs"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What a running stack wrote down; None if there is nothing of use."""
        content = read_json(path)
        if content is None or not {f.name for f in dataclasses.fields(cls)} <= set(content):
            return None
        paths = {name: Path(content[name]) for name in ("data", "logs", "postgres_data")}
        return cls(**(content | paths))


def find_running(data: Path) -> StackInfo | None:
    """The stack that runs on a data folder; one that is just starting or stopping is waited for."""
    root = data.expanduser().resolve()
    if not (root / "up.lock").exists():
        return None
    with FileLock(root / "up.lock") as lock:
        while not lock.acquire():
            info = StackInfo.read(root / "stack.json")
            if info is not None:
                return info
            time.sleep(0.1)
    return None


class Stack:
    """A stack on one data folder, used as a context: entered when all is ready, ended on leaving.

    Args:
        data: the data folder; made if it is not there.
        port: the API's port; by default 8000 or, if that is taken, a free one.
        report: called with a part's name and the seconds since the start, once it is ready.

    Raises:
        AlreadyRunning: another stack runs on this folder.
        StackError: a part did not start; what had started is down again.
    """

    def __init__(self, data: Path, port: int | None = None, report: Report | None = None) -> None:
        self.folder = DataFolder(data)
        self._port = port
        self._report = report
        self._undo = contextlib.ExitStack()
        self._processes: Processes | None = None
        self._halt_asked = False

    def __enter__(self) -> StackInfo:
        with contextlib.ExitStack() as undo:
            self._undo = undo
            info = self._start(undo)
            self._undo = undo.pop_all()
        return info

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def halt(self) -> None:
        """Ask a stack that is still starting to stop; the second time, to stop without grace.

        Safe to call from a signal handler.
        """
        if self._processes is not None:
            if self._halt_asked:
                self._processes.hurry.set()
            self._processes.halt.set()
        self._halt_asked = True

    def check(self) -> None:
        """Raise `ChildDied` for the first process that is gone."""
        assert self._processes is not None
        self._processes.check()

    def _start(self, undo: contextlib.ExitStack) -> StackInfo:
        started = time.monotonic()
        up_lock = undo.enter_context(FileLock(self.folder.root / "up.lock"))
        if not up_lock.acquire():
            raise AlreadyRunning(self._where())
        afterwards = undo.enter_context(contextlib.ExitStack())
        processes = self._processes = self._take_over()
        undo.callback(processes.stop)
        if self._halt_asked:
            raise Halted
        ports = PortBook(self.folder.ports)
        if self._port is not None:
            port = ports.insist("api", self._port)
        else:
            port = ports.take("api", prefer=API_PORT)
        postgres = Postgres(self.folder, ports.take("postgres"))
        valkey = Valkey(self.folder, ports.take("valkey"))
        store = SeaweedFS(self.folder, ports)
        afterwards.callback(store.tidy)
        ports.save()

        def ready(name: str) -> None:
            if self._report is not None:
                self._report(name, time.monotonic() - started)

        api_url = f"http://127.0.0.1:{port}"
        settings = programs.settings_environment(self.folder, postgres, valkey, store, api_url)
        # The API takes seconds of importing, and says by itself that it is not ready before.
        api = processes.start(programs.api(settings, port))
        _side_by_side([postgres, valkey, store], processes, ready)
        processes.run(programs.prepare(settings, postgres, self.folder.api_key))
        for program in programs.workers(settings):
            processes.start(program)
        processes.wait_until(api, lambda: _answers(port, "/readyz"), API_SECONDS)
        ready("api")
        processes.check()
        info = StackInfo(
            pid=os.getpid(),
            api_url=api_url,
            api_key=self.folder.api_key.read_text(),
            data=self.folder.root,
            logs=self.folder.logs,
            postgres_data=postgres.data,
            database_url=settings["UNLEARNABLE_DATABASE_URL"],
            broker_url=settings["UNLEARNABLE_BROKER_URL"],
            s3_endpoint_url=settings["UNLEARNABLE_S3_ENDPOINT_URL"],
            seconds=round(time.monotonic() - started, 1),
            environment=settings,
            processes=processes.pids(),
        )
        undo.callback(self.folder.stack.unlink, missing_ok=True)
        write_private(self.folder.stack, info.to_json() + "\n")
        return info

    def _take_over(self) -> Processes:
        """Wait until a killed run has ended for good, then begin a new one."""
        self.folder.stack.unlink(missing_ok=True)
        with FileLock(self.folder.root / "guardian.lock") as guardian_lock:
            if not guardian_lock.wait(LEFTOVER_SECONDS, lambda: self._halt_asked):
                if self._halt_asked:
                    raise Halted
                raise StackError(
                    f"Processes of an earlier run on {self.folder.root} do not end. "
                    f"See {self.folder.logs}."
                )
            stamp = self.folder.root / "stamp"
            if stamp.exists():
                sweep(stamp.read_text())  # the guardian was killed, too
            processes = Processes(self.folder.logs, guardian_lock)
            write_private(stamp, processes.stamp)
        return processes

    def _where(self) -> str:
        info = StackInfo.read(self.folder.stack)
        if info is None:
            return f"A stack on {self.folder.root} is starting or stopping already."
        return (
            f"Already running on {self.folder.root} (process {info.pid}): API {info.api_url}, "
            f"docs {info.docs_url}, logs {info.logs}."
        )


@contextmanager
def running_stack(data: Path, port: int | None = None) -> Iterator[StackInfo]:
    """A stack for the length of a `with` block: one that runs on `data` already, or a new one.

    The new one ends with the block, and also when this process is killed.

    Raises:
        StackError: it does not start.
    """
    running = find_running(data)
    if running is not None:
        yield running
        return
    with Stack(data, port) as info:
        yield info


def _side_by_side(
    servers: Sequence[Server], processes: Processes, ready: Callable[[str], None]
) -> None:
    """Start servers that do not need each other; the first failure stops the others' start."""

    def start(server: Server) -> None:
        try:
            server.start(processes)
        except BaseException:
            processes.halt.set()
            raise
        ready(server.name)

    with ThreadPoolExecutor(len(servers)) as pool:
        futures = [pool.submit(start, server) for server in servers]
    errors = [error for future in futures if (error := future.exception()) is not None]
    # `Halted` is what the others say when one fails; the reason is what counts.
    for error in sorted(errors, key=lambda error: isinstance(error, Halted)):
        raise error


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
