"""Where a webhook may be sent: the grammar of its URL, and which addresses are public.

The owner of a key chooses the URL, and the request comes from inside our network. So nothing is
left to guesses: one strict reading of the URL, which the API checks and the sender uses, and a list
of what is public. Names are resolved, and their addresses checked, when a webhook is sent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2048
PORTS = {"http": 80, "https": 443}

# RFC 3986 without user, fragment and escapes in the host: there is one way to read what is left.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")

# What `is_global` lets through in one version of Python or another. The reason is beside each.
_NOT_PUBLIC = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "192.0.0.0/24",  # protocol assignments; metadata of one cloud is at .192
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # of a cloud, reached from its machines only
        "2002::/16",  # 6to4: holds an IPv4 address, which may be a private one
        "2001::/23",  # protocol assignments, among them Teredo
        "3fff::/20",  # documentation
    )
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True)
class Target:
    """A URL, taken apart. `host` is a name or an address without brackets, in lower case."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def literal(self) -> Address | None:
        """The address, if the host is one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def host_header(self) -> str:
        """What the receiver is told in `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, address: Address) -> str:
        """The URL that goes to this very address, whatever the name says by then."""
        host = f"[{address}]" if address.version == 6 else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_target(url: str) -> Target:
    """Take a URL apart.

    Raises:
        ValueError: it is none that a webhook may have; the text says why, to the owner.
    """
    if len(url) > MAX_URL:
        raise ValueError(f"a URL may have at most {MAX_URL} characters")
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/") if "/" in rest else rest.partition("?")
    found = _URL.fullmatch(f"{scheme.lower()}{separator}{authority.lower()}{slash}{path}")
    if found is None:
        raise ValueError(
            "write https://host/path, in ASCII (names as xn--, other characters as %XX), without "
            "user, password or fragment"
        )
    host = found["host"].removesuffix(".")
    port = int(found["port"]) if found["port"] else PORTS[found["scheme"]]
    if not 0 < port < 65536:
        raise ValueError("the port must be from 1 to 65535")
    if host.startswith("["):
        host = str(IPv6Address(host[1:-1]))
    elif _NUMERIC.fullmatch(host.rpartition(".")[2]):
        # 127.1, 0x7f000001 and 017700000001 are all loopback to some resolvers.
        host = str(IPv4Address(host))
    elif len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("the host is no name")
    path = found["path"]
    return Target(found["scheme"], host, port, path if path.startswith("/") else f"/{path}")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, and no other address in disguise."""
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False  # also what maps, translates or embeds IPv4, NAT64 included
    if address.is_multicast or not address.is_global:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def may_reach(address: Address, private: Sequence[Network]) -> bool:
    """Whether a webhook may be sent to an address; `private` are the networks that also are fine.

    An IPv4 address that is written as an IPv6 one belongs to no network.
    """
    return is_public(address) or is_within(address, private)


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def parse_networks(text: str | None) -> tuple[Network, ...]:
    """Networks such as `10.0.0.0/8,::1/128`; none for None.

    Raises:
        ValueError: one is none.
    """
    return tuple(ip_network(part.strip()) for part in (text or "").split(",") if part.strip())
