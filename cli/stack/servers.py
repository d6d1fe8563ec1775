"""The three servers together: started side by side, and what their users must know."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from cli.stack import programs
from cli.stack.errors import Halted
from cli.stack.folder import DataFolder
from cli.stack.hold import hold
from cli.stack.ports import PortBook
from cli.stack.postgres import APPLICATION_ROLE, DATABASE, SUPERUSER, Postgres
from cli.stack.processes import Processes
from cli.stack.seaweedfs import SeaweedFS
from cli.stack.temporary import given_or_temporary
from cli.stack.valkey import Valkey

Ready = Callable[[str], None]
BUCKET = "unlearnable"


class Server(Protocol):
    """A server on loopback ports."""

    name: str

    def start(self, processes: Processes) -> None: ...


class Servers:
    """PostgreSQL, Valkey and SeaweedFS of one data folder."""

    def __init__(self, folder: DataFolder, ports: PortBook) -> None:
        self._folder = folder
        self.postgres = Postgres(folder, ports.take("postgres"))
        self.valkey = Valkey(folder, ports.take("valkey"))
        self.store = SeaweedFS(folder, ports)

    def environment(self) -> dict[str, str]:
        """The settings of `core.settings.Settings`, as every process of this stack reads them."""
        return {
            "UNLEARNABLE_DATABASE_URL": self.postgres.url(APPLICATION_ROLE, DATABASE),
            "UNLEARNABLE_BROKER_URL": self.valkey.url,
            "UNLEARNABLE_S3_ENDPOINT_URL": self.store.url,
            "UNLEARNABLE_S3_PUBLIC_ENDPOINT_URL": self.store.url,
            "UNLEARNABLE_S3_ACCESS_KEY_ID": self.store.access_key_id,
            "UNLEARNABLE_S3_SECRET_ACCESS_KEY": self.store.secret_access_key,
            "UNLEARNABLE_S3_BUCKET": BUCKET,
            "UNLEARNABLE_SECRET_KEY": self._folder.secret("api-key-hmac"),
            "UNLEARNABLE_SCRATCH_DIR": str(self._folder.scratch),
        }

    def start(self, processes: Processes, settings: dict[str, str], ready: Ready) -> None:
        """Start all three, then create role, schema, bucket and API key where they are missing.

        Args:
            settings: what `environment` returned.
            ready: called with the name of each server once it answers.

        Raises:
            StackError: one of them did not start.
        """
        processes.at_end.append(self.store.tidy)
        _side_by_side([self.postgres, self.valkey, self.store], processes, ready)
        superuser = self.postgres.url(SUPERUSER, "postgres")
        processes.run(programs.prepare(settings, superuser, self._folder.api_key))


@contextmanager
def running_servers(data: Path | None = None) -> Iterator[dict[str, str]]:
    """The servers alone, prepared, for the length of a `with` block: no API, no workers.

    They end with the block, and also when this process is killed.

    Args:
        data: the data folder; None for a temporary one, of which nothing stays.

    Yields:
        The `UNLEARNABLE_*` settings that lead to them.

    Raises:
        StackError: they do not start, or something runs on that folder already.
    """
    with given_or_temporary(data) as path, hold(folder := DataFolder(path)) as processes:
        ports = PortBook(folder.ports)
        servers = Servers(folder, ports)
        settings = servers.environment()
        ports.save()
        servers.start(processes, settings, ready=lambda _: None)
        yield settings


def _side_by_side(servers: Sequence[Server], processes: Processes, ready: Ready) -> None:
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
