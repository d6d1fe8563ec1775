"""Reads the members of a hostile zip piece by piece, never to disk and never past their size."""

import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from worker.layouts.findings import Findings
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset
from worker.layouts.zip_directory import (
    DEFLATED,
    FLAGS_ENCRYPTED,
    LOCAL_HEADER,
    LOCAL_MAGIC,
    Member,
    read_directory,
)

CHUNK = 256 * 1024
"""Most bytes that one piece of an unpacked member has."""

_BUFFER = 128 * 1024


class ZipReader:
    """A zip whose table of contents has been checked (`zip_directory.read_directory`).

    Example:
        with ZipReader(path, limits) as archive:
            for member in archive.members:
                data = archive.read(member)
    """

    members: list[Member]

    def __init__(self, path: Path, limits: Limits, findings: Findings | None = None) -> None:
        """Open `path` and read its directory; raises `BadDataset` as `read_directory` does.

        With `findings`, members that cannot be used are left out and added to it; without, the
        first of them raises.
        """
        found = Findings() if findings is None else findings
        self._limits = limits
        self._file: BinaryIO = path.open("rb", buffering=_BUFFER)
        try:
            self.members = read_directory(self._file, limits, found)
            if findings is None:
                found.raise_any()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "ZipReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, member: Member) -> bytes:
        """All bytes of a member of at most `limits.max_member_bytes`; raises as `pieces`.

        Raises:
            BadDataset: `member_too_large`, and what `pieces` raises.
        """
        if member.size > self._limits.max_member_bytes:
            raise BadDataset(
                "member_too_large",
                f"This file unpacks to {member.size:,} bytes; one image may have "
                f"{self._limits.max_member_bytes:,}. Make the image smaller.",
                member.name,
            )
        return b"".join(self.pieces(member))

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The unpacked bytes of a member, at most `CHUNK` at a time.

        Stops at the declared size, whatever the stream still holds, and checks length and CRC at
        the end: bytes are good only once the iterator is exhausted. Several iterators of one
        reader may run in turns.

        Raises:
            BadDataset: `zip_damaged`, `zip_truncated`, `zip_encrypted`, `zip_overlapping_members`.
        """
        made = 0
        crc = 0
        packed = self._packed(member)
        for piece in _inflate(packed, member) if member.method == DEFLATED else packed:
            made += len(piece)
            if made > member.size:
                raise _damaged("unpacks to more bytes than it declares", member)
            crc = zlib.crc32(piece, crc)
            yield piece
        if made < member.size:
            raise _damaged("unpacks to fewer bytes than it declares", member)
        if crc != member.crc:
            raise _damaged("does not match its checksum", member)

    def _packed(self, member: Member) -> Iterator[bytes]:
        at = self._data_start(member)
        end = at + member.packed
        while at < end:
            self._file.seek(at)
            piece = self._file.read(min(CHUNK, end - at))
            if not piece:
                raise BadDataset(
                    "zip_truncated",
                    "The archive ends within this member. Upload the whole file.",
                    member.name,
                )
            at += len(piece)
            yield piece

    def _data_start(self, member: Member) -> int:
        """Where the member's bytes begin, from its local header, which must agree."""
        self._file.seek(member.offset)
        header = self._file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_MAGIC):
            raise _damaged("is not where the table of contents says", member)
        _, _, flags, method, _, _, _, _, _, name_length, extra_length = LOCAL_HEADER.unpack(header)
        if flags & FLAGS_ENCRYPTED:
            raise BadDataset(
                "zip_encrypted",
                "The archive is encrypted. Upload it without a password.",
                member.name,
            )
        name = self._file.read(name_length)
        same_name = name == member.name.encode() or name.decode("cp437") == member.name
        if method != member.method or not same_name:
            raise _damaged("has another header than the table of contents says", member)
        start: int = member.offset + LOCAL_HEADER.size + name_length + extra_length
        if start + member.packed > member.room_end:
            raise BadDataset(
                "zip_overlapping_members",
                "This entry shares its bytes with another one, as zip bombs do. "
                "Write the archive again with an ordinary zip program.",
                member.name,
            )
        return start


def _inflate(packed: Iterator[bytes], member: Member) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in packed:
        rest = piece
        while not stream.eof:
            try:
                out = stream.decompress(rest, CHUNK)
            except zlib.error as error:
                raise _damaged("cannot be unpacked", member) from error
            rest = stream.unconsumed_tail
            yield out
            # A full piece may leave more in the stream's window although all input is consumed.
            if not rest and len(out) < CHUNK:
                break
        if stream.unused_data:
            raise _damaged("has bytes after its end", member)
    if not stream.eof:
        raise _damaged("ends too early", member)


def _damaged(how: str, member: Member) -> BadDataset:
    return BadDataset(
        "zip_damaged",
        f"This member of the archive {how}. Write the archive again and check it with `unzip -t`.",
        member.name,
    )
