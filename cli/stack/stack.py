"""One whole stack: what starts in which order, and how it comes down again."""

import contextlib
import http.client
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

from cli.stack import programs
from cli.stack.errors import Halted
from cli.stack.folder import DataFolder, write_private
from cli.stack.hold import hold
from cli.stack.info import StackInfo, find_running
from cli.stack.ports import PortBook
from cli.stack.processes import Processes
from cli.stack.servers import Servers
from cli.stack.temporary import given_or_temporary

API_PORT = 8000
API_SECONDS = 60.0

Report = Callable[[str, float], None]


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

        def ready(name: str) -> None:
            if self._report is not None:
                self._report(name, time.monotonic() - started)

        processes = undo.enter_context(hold(self.folder, lambda: self._halt_asked))
        self._processes = processes
        if self._halt_asked:
            raise Halted
        ports = PortBook(self.folder.ports)
        if self._port is None:
            port = ports.take("api", prefer=API_PORT)
        else:
            port = ports.insist("api", self._port)
        servers = Servers(self.folder, ports)
        ports.save()
        api_url = f"http://127.0.0.1:{port}"
        settings = servers.environment()
        # The API takes seconds of importing, and says by itself that it is not ready before.
        api = processes.start(programs.api(settings, port))
        servers.start(processes, settings, ready)
        self.folder.empty_scratch()
        for program in (*programs.workers(settings), programs.webhooks(settings)):
            processes.start(program)
        processes.wait_until(api, lambda: _is_ready(port), API_SECONDS)
        ready("api")
        info = StackInfo(
            pid=os.getpid(),
            api_url=api_url,
            api_key=self.folder.api_key.read_text(),
            data=self.folder.root,
            logs=self.folder.logs,
            postgres_data=servers.postgres.data,
            database_url=settings["UNLEARNABLE_DATABASE_URL"],
            broker_url=settings["UNLEARNABLE_BROKER_URL"],
            s3_endpoint_url=settings["UNLEARNABLE_S3_ENDPOINT_URL"],
            seconds=round(time.monotonic() - started, 1),
            environment=settings,
            processes=processes.pids(),
        )
        write_private(self.folder.stack, info.to_json() + "\n")
        undo.callback(self.folder.stack.unlink, missing_ok=True)
        return info


@contextmanager
def running_stack(data: Path | None = None, port: int | None = None) -> Iterator[StackInfo]:
    """A stack for the length of a `with` block: one that runs on `data` already, or a new one.

    The new one ends with the block, and also when this process is killed.

    Args:
        data: the data folder; None for a temporary one, of which nothing stays.
        port: see `Stack`.

    Raises:
        StackError: it does not start.
    """
    with given_or_temporary(data) as path:
        running = find_running(path)
        if running is not None:
            yield running
            return
        with Stack(path, port) as info:
            yield info


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
