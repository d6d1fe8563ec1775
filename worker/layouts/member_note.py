"""Which member a reading process is at, told in a way that survives its being killed."""

import mmap
from pathlib import Path
from typing import Final

_FILE: Final = "current-member"
_BYTES: Final = 4096


class MemberNote:
    """The name of the current member in a mapped file of the output folder.

    It costs a copy of the name an image, and the kernel keeps it when the process is killed.
    """

    def __init__(self, folder: Path) -> None:
        with (folder / _FILE).open("w+b") as file:
            file.truncate(_BYTES)
            self._map = mmap.mmap(file.fileno(), _BYTES)

    def write(self, name: str) -> None:
        raw = name.encode()[: _BYTES - 1]
        self._map[: len(raw) + 1] = raw + b"\0"

    def read(self) -> str | None:
        return _name_in(self._map[:])


def last_member(folder: Path) -> str | None:
    """The name that a process left in `folder`; None if it began no member."""
    path = folder / _FILE
    return _name_in(path.read_bytes()) if path.exists() else None


def discard_note(folder: Path) -> None:
    (folder / _FILE).unlink(missing_ok=True)


def _name_in(raw: bytes) -> str | None:
    return raw.partition(b"\0")[0].decode(errors="replace") or None
