"""Builds zip archives field by field, so that any field can lie. No check of any kind."""

import struct
import zlib
from dataclasses import dataclass, field

STORED, DEFLATED = 0, 8


@dataclass
class Entry:
    """One member; what is None is filled in truthfully.

    `packed` are the bytes as they lie in the archive, `data` those they unpack to.
    """

    name: str | bytes
    data: bytes = b""
    method: int = STORED
    flags: int = 0
    attributes: int = 0
    packed: bytes | None = None
    size: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    local_flags: int | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    _raw: bytes = field(init=False)
    _packed: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._raw = self.name.encode() if isinstance(self.name, str) else self.name
        if self.packed is not None:
            self._packed = self.packed
        elif self.method == DEFLATED:
            stream = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._packed = stream.compress(self.data) + stream.flush()
        else:
            self._packed = self.data

    def local(self) -> bytes:
        name = self._raw if self.local_name is None else self.local_name
        flags = self.flags if self.local_flags is None else self.local_flags
        header = struct.pack(
            "<4s5H3L2H",
            *(b"PK\x03\x04", 20, flags, self.method, 0, 0x21),
            *(self._crc, len(self._packed), self._size, len(name), len(self.local_extra)),
        )
        return header + name + self.local_extra + self._packed

    def central(self, offset: int) -> bytes:
        at = offset if self.offset is None else self.offset
        header = struct.pack(
            "<4s6H3L5H2L",
            *(b"PK\x01\x02", 0x0314, 20, self.flags, self.method, 0, 0x21),
            *(self._crc, len(self._packed), self._size),
            *(len(self._raw), len(self.extra), 0, 0, 0, self.attributes << 16, at),
        )
        return header + self._raw + self.extra

    @property
    def _crc(self) -> int:
        return zlib.crc32(self.data) if self.crc is None else self.crc

    @property
    def _size(self) -> int:
        return len(self.data) if self.size is None else self.size


def build_zip(
    entries: list[Entry],
    *,
    count: int | None = None,
    directory_bytes: int | None = None,
    directory_at: int | None = None,
    disk: int = 0,
    before_end: bytes = b"",
    comment: bytes = b"",
) -> bytes:
    """The archive; named arguments replace the fields of its end record."""
    body = b""
    offsets = []
    for entry in entries:
        offsets.append(len(body))
        if entry.offset is None:
            body += entry.local()
    directory = b"".join(e.central(at) for e, at in zip(entries, offsets, strict=True))
    number = len(entries) if count is None else count
    end = struct.pack(
        "<4s4H2LH",
        *(b"PK\x05\x06", disk, disk, number, number),
        len(directory) if directory_bytes is None else directory_bytes,
        len(body) if directory_at is None else directory_at,
        len(comment),
    )
    return body + directory + before_end + end + comment
