"""The table of contents of a zip, read by a parser that trusts none of it.

Why not `zipfile.ZipFile(...).infolist()`: it builds an object per record of a table whose size the
uploader chose before anything can be counted, it reads past a wrong count and over bytes that
follow the end (so two programs can see two different archives), and its check for overlapping
entries came with 3.11.8 only. Here the counts come first, the records must fill their place
exactly, and what is ambiguous is refused. Layout of the records: PKWARE APPNOTE 6.3.10, sections
4.3 and 4.4.
"""

import os
import re
import stat
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

from worker.layouts.findings import Findings
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset

STORED = 0
DEFLATED = 8

LOCAL_MAGIC = b"PK\x03\x04"
_CENTRAL_MAGIC = b"PK\x01\x02"
_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = b"PK\x06\x06"
_LOCATOR64_MAGIC = b"PK\x06\x07"

_END = struct.Struct("<4s4H2LH")
_LOCATOR64 = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL_HEADER = struct.Struct("<4s5H3L2H")

_MAX_COMMENT = 0xFFFF
_MAX_16 = 0xFFFF
_MAX_32 = 0xFFFFFFFF
_EXTRA_ZIP64 = 0x0001

# Bits of the general purpose flags: plain encryption, strong encryption, masked headers.
FLAGS_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_FLAG_UTF8 = 1 << 11

_DRIVE = re.compile(r"[A-Za-z]:")
# Control characters, line separators, and what turns the direction of text: "gnp.exe" shown as a
# PNG. Joiners stay: the names of emoji need them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_ZIP_AGAIN = "Write the archive again with an ordinary zip program."


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the archive.

    Attributes:
        name: as decoded; a folder ends with `/`.
        is_dir: whether it is a folder (no bytes).
        method: `STORED` or `DEFLATED`.
        crc: CRC-32 of the unpacked bytes, as declared.
        packed, size: bytes in the archive and unpacked, as declared.
        offset: where its local header begins.
        room_end: where the next entry, or the directory, begins: its bytes end before that.
    """

    name: str
    is_dir: bool
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    room_end: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the central directory lies and how many records it says it has."""

    start: int
    end: int
    count: int


def read_directory(file: BinaryIO, limits: Limits, findings: Findings) -> list[Member]:
    """The entries of the zip in `file`, in the order of its central directory.

    An entry that cannot be used is added to `findings` and left out; an archive that contradicts
    itself, overlaps or bursts is not read any further.

    Memory is bounded by `limits.max_members` names: the count is checked before the first record
    is read. The declared sizes are checked against all limits, so whoever unpacks a member must
    only stop at its own declared size (`ZipReader` does).

    Raises:
        BadDataset: `not_an_archive`, `zip_truncated`, `zip_damaged`, `zip_encrypted`,
            `zip_compression_unsupported`, `zip_unsafe_name`, `zip_duplicate_name`,
            `zip_special_member`, `zip_overlapping_members`, `zip_bomb`, `too_many_members`,
            `dataset_too_large`.
    """
    archive_bytes = file.seek(0, os.SEEK_END)
    place = _find(file, archive_bytes)
    if place.count > limits.max_members:
        raise BadDataset(
            "too_many_members",
            f"The archive has {place.count:,} members; at most {limits.max_members:,} are read. "
            "Split the dataset into several uploads.",
        )
    members = _with_room(_records(file, place, limits, findings), place, findings)
    _refuse_bomb(members, archive_bytes, limits)
    return members


def _find(file: BinaryIO, archive_bytes: int) -> _Place:
    tail_start = max(0, archive_bytes - _END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    at = len(tail)
    while (at := tail.rfind(_END_MAGIC, 0, at)) >= 0:
        if len(tail) - at < _END.size:
            continue
        _, disk, cd_disk, here, count, size, start, comment = _END.unpack_from(tail, at)
        # A comment that does not end with the file is no comment: refusing bytes after the end
        # leaves one reading of the archive only.
        if at + _END.size + comment == len(tail):
            break
    else:
        if _END_MAGIC in tail:
            raise BadDataset(
                "zip_damaged",
                f"The zip archive goes on after its end, or its end is damaged. {_ZIP_AGAIN}",
            )
        file.seek(0)
        if file.read(4) == LOCAL_MAGIC:
            raise BadDataset(
                "zip_truncated",
                "The zip archive has no end: it was cut short on its way. Upload the whole file.",
            )
        raise BadDataset(
            "not_an_archive",
            "The file is no zip, npz or parquet. Upload a zip of train/<class>/<image> and "
            "test/<class>/<image>, of MNIST's IDX files or of CIFAR-10's binary version, an npz "
            "with x_train, y_train, x_test and y_test, or a parquet file with image and label.",
        )
    end = tail_start + at
    zip64 = _find64(file, end)
    if zip64 is not None:
        disk, cd_disk, here, count, size, start, end = zip64
    if disk or cd_disk or here != count:
        raise BadDataset(
            "zip_damaged",
            "The zip archive is one part of several. Write it as a single file.",
        )
    if start + size != end:
        raise BadDataset(
            "zip_damaged",
            f"The zip archive's table of contents is not where it says it is. {_ZIP_AGAIN}",
        )
    return _Place(start=start, end=end, count=count)


def _find64(file: BinaryIO, end: int) -> tuple[int, int, int, int, int, int, int] | None:
    """The same fields from the zip64 record, and where the directory must end; None without one."""
    locator_at = end - _LOCATOR64.size
    if locator_at < 0:
        return None
    file.seek(locator_at)
    magic, _, at, _ = _LOCATOR64.unpack(file.read(_LOCATOR64.size))
    if magic != _LOCATOR64_MAGIC:
        return None
    if at + _END64.size <= locator_at:
        file.seek(at)
        magic, size, _, _, disk, cd_disk, here, count, cd_size, start = _END64.unpack(
            file.read(_END64.size)
        )
        if magic == _END64_MAGIC and at + 12 + size == locator_at:
            return disk, cd_disk, here, count, cd_size, start, at
    raise BadDataset("zip_damaged", f"The zip64 end of the archive is damaged. {_ZIP_AGAIN}")


def _records(file: BinaryIO, place: _Place, limits: Limits, findings: Findings) -> list[Member]:
    if place.count * _CENTRAL.size > place.end - place.start:
        raise BadDataset(
            "zip_damaged", f"The zip archive declares more members than it holds. {_ZIP_AGAIN}"
        )
    file.seek(place.start)
    members = []
    for _ in range(place.count):
        # A named problem is found only after the whole record has been passed.
        with findings.collect():
            members.append(_record(file, place, limits))
    if file.tell() != place.end:
        raise BadDataset(
            "zip_damaged", f"The zip archive holds more members than it declares. {_ZIP_AGAIN}"
        )
    return members


def _record(file: BinaryIO, place: _Place, limits: Limits) -> Member:
    """The record at the file's position, which is left at the next one."""
    fixed = file.read(_CENTRAL.size)
    if len(fixed) < _CENTRAL.size or not fixed.startswith(_CENTRAL_MAGIC):
        raise BadDataset("zip_damaged", f"The zip's table of contents is damaged. {_ZIP_AGAIN}")
    _, _, _, flags, method, _, _, crc, packed, size, *rest = _CENTRAL.unpack(fixed)
    name_length, extra_length, comment_length, disk, _, attributes, offset = rest
    raw_name = file.read(name_length)
    extra = file.read(extra_length)
    if file.seek(comment_length, os.SEEK_CUR) > place.end:
        raise BadDataset("zip_damaged", f"The zip's table of contents is damaged. {_ZIP_AGAIN}")
    name = _decode(raw_name, flags)
    _refuse_unsafe(name, raw_name, limits)
    if flags & FLAGS_ENCRYPTED:
        raise BadDataset(
            "zip_encrypted", "The archive is encrypted. Upload it without a password.", name
        )
    if method not in (STORED, DEFLATED):
        raise BadDataset(
            "zip_compression_unsupported",
            f"Compression method {method} is not read. Use deflate (the default) or store.",
            name,
        )
    size, packed, offset, disk = _widen(extra, (size, packed, offset, disk), name)
    is_dir = name.endswith("/")
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in ((0, stat.S_IFDIR) if is_dir else (0, stat.S_IFREG)):
        raise BadDataset(
            "zip_special_member",
            "This is a symbolic link or a device. Put the file itself into the archive.",
            name,
        )
    if disk or (is_dir and size) or (method == STORED and packed != size):
        raise BadDataset("zip_damaged", f"This entry contradicts itself. {_ZIP_AGAIN}", name)
    return Member(name, is_dir, method, crc, packed, size, offset, room_end=0)


def _decode(raw: bytes, flags: int) -> str:
    """The name: UTF-8 if it says so or reads as such, else code page 437.

    The specification knows UTF-8 by its flag only, but macOS writes it without.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if flags & _FLAG_UTF8:
            raise BadDataset(
                "zip_unsafe_name",
                "The name says that it is UTF-8 and is not. Rename the file.",
                raw.decode("utf-8", errors="replace"),
            ) from None
        return raw.decode("cp437")


def _refuse_unsafe(name: str, raw: bytes, limits: Limits) -> None:
    parts = name.removesuffix("/").split("/")
    if not name or name.startswith("/") or _DRIVE.match(name):
        why = "is an absolute path"
    elif ".." in parts:
        why = "climbs out of its folder with '..'"
    elif "\\" in name:
        why = "has a backslash"
    elif _CONTROL.search(name):
        why = "has a control character"
    elif "" in parts or "." in parts:
        why = "has an empty part"
    elif len(raw) > limits.max_name_bytes:
        why = f"is longer than {limits.max_name_bytes} bytes"
    else:
        return
    raise BadDataset(
        "zip_unsafe_name",
        f"The name {why}. Use relative paths with '/', such as train/cat/1.png.",
        name,
    )


def _widen(extra: bytes, fields: tuple[int, int, int, int], name: str) -> tuple[int, int, int, int]:
    """(size, packed, offset, disk) with those at their 32 or 16 bit limit taken from zip64."""
    full = (_MAX_32, _MAX_32, _MAX_32, _MAX_16)
    if all(value != limit for value, limit in zip(fields, full, strict=True)):
        return fields
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        at += 4
        if kind == _EXTRA_ZIP64:
            body = extra[at : at + length]
            wide: list[int] = []
            for value, limit, width in zip(fields, full, (8, 8, 8, 4), strict=True):
                if value == limit and len(body) >= width:
                    value, body = int.from_bytes(body[:width], "little"), body[width:]
                wide.append(value)
            return wide[0], wide[1], wide[2], wide[3]
        at += length
    raise BadDataset("zip_damaged", f"This entry's zip64 sizes are missing. {_ZIP_AGAIN}", name)


def _with_room(members: list[Member], place: _Place, findings: Findings) -> list[Member]:
    """The members, each with the end of its room; refuses two names or two members in one place."""
    seen: set[str] = set()
    for member in members:
        if member.name in seen:
            findings.add(
                BadDataset(
                    "zip_duplicate_name",
                    "The archive has two members of this name. Remove one of them.",
                    member.name,
                )
            )
        seen.add(member.name)
    by_offset = sorted(range(len(members)), key=lambda i: members[i].offset)
    roomy = members.copy()
    room_end = place.start
    for index in reversed(by_offset):
        member = members[index]
        # The local header repeats the name, its extra field may differ: a lower bound here, the
        # exact check when the member is opened.
        least = member.offset + LOCAL_HEADER.size + len(member.name) + member.packed
        if least > room_end:
            raise BadDataset(
                "zip_overlapping_members",
                "This entry shares its bytes with another one, as zip bombs do. " + _ZIP_AGAIN,
                member.name,
            )
        roomy[index] = replace(member, room_end=room_end)
        room_end = member.offset
    return roomy


def _refuse_bomb(members: list[Member], archive_bytes: int, limits: Limits) -> None:
    total = sum(member.size for member in members)
    allowed = max(limits.ratio_floor_bytes, limits.max_ratio * archive_bytes)
    if total <= min(allowed, limits.max_total_bytes):
        return
    largest = max(members, key=lambda member: member.size).name
    if total > allowed:
        raise BadDataset(
            "zip_bomb",
            f"The archive's {archive_bytes:,} bytes would unpack to {total:,}, more than "
            f"{limits.max_ratio} times as many; this member is the largest. Upload images, not "
            "padding.",
            largest,
        )
    raise BadDataset(
        "dataset_too_large",
        f"The archive unpacks to {total:,} bytes; at most {limits.max_total_bytes:,} are read. "
        "Split the dataset into several uploads.",
        largest,
    )
