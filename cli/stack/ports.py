"""Free loopback ports, the same ones as last time where possible."""

import errno
import json
import os
import socket
from pathlib import Path

from cli.stack.errors import StackError
from cli.stack.folder import read_json, write_private

# Below the ports that Linux (32768+) and macOS (49152+) hand out to outgoing connections: those
# come and go, and could take a port between one start and the next.
FIRST, LAST = 20_000, 31_999
# Stacks that start at the same time would find the same ports free: each process looks from another
# port on, so far from that of the next one that there is room for a stack.
ROOM = 16
TRIES = 200


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1, and nobody does so on all addresses.

    macOS lets a program bind 127.0.0.1 although another listens on every address; and SeaweedFS
    refuses a port that is taken on any.
    """
    addresses = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0")]  # noqa: S104 - a probe
    if socket.has_ipv6:
        addresses.append((socket.AF_INET6, "::"))
    for family, address in addresses:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
                probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # no such address family here, so nobody listens on it either
            return False
    return True


class PortBook:
    """The ports of one data folder, by name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, int] = {
            name: port for name, port in (read_json(path) or {}).items() if isinstance(port, int)
        }
        self._chosen: dict[str, int] = {}
        self._taken: set[int] = set()

    def take(self, name: str, *, prefer: int | None = None, and_above: int = 0) -> int:
        """A free port for `name`: the last one, else `prefer`, else any.

        Args:
            and_above: with a distance here, the port that far above must be free as well.

        Raises:
            StackError: no free port was found.
        """
        wanted = [self._last.get(name), prefer]
        begin = os.getpid() * ROOM
        anew = (FIRST + (begin + i) % (LAST + 1 - FIRST) for i in range(TRIES))
        remembered = set(self._last.values())  # those of other names are for them
        for port in (*filter(None, wanted), *(port for port in anew if port not in remembered)):
            ports = {port, port + and_above}
            if not ports & self._taken and all(map(is_free, ports)):
                self._chosen[name] = port
                self._taken |= ports
                return port
        raise StackError(f"No free port between {FIRST} and {LAST} for {name}.")

    def insist(self, name: str, port: int) -> int:
        """Exactly this port.

        Raises:
            StackError: something else listens there.
        """
        if port in self._taken or not is_free(port):
            raise StackError(f"Port {port} is taken. Choose another, or leave --port out.")
        self._chosen[name] = port
        self._taken.add(port)
        return port

    def save(self) -> None:
        write_private(self._path, json.dumps(self._chosen, indent=2) + "\n")
