"""What is uploaded: a file, or a folder of class folders that becomes a zip on its way.

The zip is written anew each time it is read, always with the same bytes: nothing is kept on disk,
and a broken upload can go on later.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unlearnable.errors import BadSource

CHUNK = 1024 * 1024
MOMENT = (1980, 1, 1, 0, 0, 0)  # of every member: when a file was touched shall not count
SYSTEM_FILES = frozenset({"Thumbs.db", "desktop.ini", "__MACOSX"})


class Source(Protocol):
    """Bytes that can be read as often as needed, from the start, and are the same each time."""

    @property
    def name(self) -> str:
        """A name for the upload."""

    def chunks(self) -> Iterator[bytes]:
        """All bytes in order."""


def source_of(path: str | os.PathLike[str]) -> Source:
    """A file as it is, or a folder as a zip.

    Raises:
        BadSource: there is neither.
    """
    given = Path(path)
    if given.is_dir():
        return FolderSource(given)
    if given.is_file():
        return FileSource(given)
    raise BadSource(f"{given} is no file and no folder.")


@dataclass(frozen=True)
class FileSource:
    """A file as it is."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def chunks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise BadSource(f"{self.path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True)
class FolderSource:
    """A folder as a zip: its files sorted by name and stored as they are, without hidden ones."""

    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.resolve().name or 'dataset'}.zip"

    def chunks(self) -> Iterator[bytes]:
        names = sorted(self._names())
        if not names:
            raise BadSource(f"{self.path} holds no files; it must hold a folder for each class.")
        window = _Window()
        with zipfile.ZipFile(window, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                try:
                    yield from self._add(archive, name, window)
                except OSError as error:
                    raise BadSource(
                        f"{self.path / name} cannot be read: {error.strerror}."
                    ) from error
                except UnicodeEncodeError as error:
                    raise BadSource(f"{self.path / name!r} has a name that is no text.") from error
        yield window.take()

    def _add(self, archive: zipfile.ZipFile, name: str, window: "_Window") -> Iterator[bytes]:
        info = zipfile.ZipInfo(name, MOMENT)
        with (self.path / name).open("rb") as file:
            info.file_size = os.fstat(file.fileno()).st_size
            with archive.open(info, "w") as member:
                while chunk := file.read(CHUNK):
                    member.write(chunk)
                    yield window.take()

    def _names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.path):
            folders[:] = [name for name in folders if not _is_hidden(name)]
            for name in files:
                if not _is_hidden(name):
                    yield (Path(folder) / name).relative_to(self.path).as_posix()


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in SYSTEM_FILES


class _Window(io.RawIOBase):
    """What was written and not yet taken. It cannot be sought in, so nothing is written twice."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        before = len(self._bytes)
        self._bytes += data  # type: ignore[arg-type]
        return len(self._bytes) - before

    def take(self) -> bytes:
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


def read(path: Path) -> bytes:
    """All of a small file.

    Raises:
        BadSource: it cannot be read.
    """
    return b"".join(FileSource(path).chunks())


def measure(source: Source) -> tuple[int, str]:
    """Size and SHA-256 of all bytes."""
    digest, size = hashlib.sha256(), 0
    for chunk in source.chunks():
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()


def cut(source: Source, part_bytes: int) -> Iterator[bytes]:
    """The bytes in parts of equal size, of which the last may be smaller."""
    held = bytearray()
    for chunk in source.chunks():
        held += chunk
        while len(held) >= part_bytes:
            yield bytes(held[:part_bytes])
            del held[:part_bytes]
    if held:
        yield bytes(held)
