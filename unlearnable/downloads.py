"""Downloads: checked against their SHA-256, gone on with after a break, there or not there."""

import hashlib
import itertools
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from unlearnable.calls import backoff, sleep
from unlearnable.errors import ChecksumMismatch, ConnectionFailed, StoreRefused
from unlearnable.flows import Flow, Receive
from unlearnable.requests import Answer, Request

PARTIAL_CONTENT = 206
OnBytes = Callable[[int, int], None]


def place_for(name: str, to: str | PathLike[str]) -> Path:
    """Where a file goes: into a folder, or to a path."""
    given = Path(to)
    # The name comes over the network: it must not lead out of the folder.
    return given / Path(name).name if given.is_dir() else given


def write(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def download(
    link: Callable[[], Flow[str]],
    path: Path,
    size_bytes: int,
    sha256: str,
    retries: int,
    on_progress: OnBytes | None,
) -> Flow[Path]:
    """Write a file under another name, check it, and move it to `path` in one step.

    Args:
        link: a new link, since they expire while a large file is on its way.

    Raises:
        ChecksumMismatch: other bytes came.
        StoreRefused, ConnectionFailed: no try got all of it.
    """
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with unfinished.open("wb") as file:
            body = _Body(file, size_bytes, on_progress)
            for attempt in itertools.count():
                url = yield from link()
                from_byte = {"Range": f"bytes={body.size}-"} if body.size else {}
                failure: Exception
                try:
                    answer: Answer = yield Receive(
                        Request("GET", url, headers=from_byte), body.sink()
                    )
                except ConnectionFailed as error:
                    failure = error
                else:
                    if not answer.is_error:
                        break
                    failure = StoreRefused(f"The object store answered {answer.status}.")
                if attempt >= retries:
                    raise failure
                yield from sleep(backoff(attempt))
        if body.digest.hexdigest() != sha256:
            raise ChecksumMismatch(f"{path.name} has other bytes than the API announced.")
        return unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Body:
    """What has come so far."""

    def __init__(self, file: BinaryIO, whole: int, on_progress: OnBytes | None) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._file, self._whole, self._tell = file, whole, on_progress

    def sink(self) -> Callable[[int, bytes], None]:
        """Takes what one answer brings: the rest, or from a store that knows no ranges all."""
        is_first = True

        def take(status: int, chunk: bytes) -> None:
            nonlocal is_first
            if is_first and status != PARTIAL_CONTENT:
                self._file.seek(0)
                self._file.truncate()
                self.size, self.digest = 0, hashlib.sha256()
            is_first = False
            self._file.write(chunk)
            self.digest.update(chunk)
            self.size += len(chunk)
            if self._tell is not None:
                self._tell(self.size, self._whole)

        return take
