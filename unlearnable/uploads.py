"""Resumable uploads: parts straight to the object store, each with its own checksum."""

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike

from unlearnable.calls import ask, backoff, page_of, sleep
from unlearnable.errors import ConnectionFailed, StoreRefused
from unlearnable.flows import (
    Flow,
    Mode,
    Page,
    Pages,
    Resource,
    Send,
    Together,
    Work,
    listing,
    operation,
)
from unlearnable.models import Part, PartLink, Upload, UploadStatus
from unlearnable.requests import Answer, Request
from unlearnable.sources import Source, cut, measure, source_of

PATH = "/v1/uploads"
AT_ONCE = 4
LOOKED_THROUGH = 500  # of the newest uploads, in search of one that broke
COMPLETE_SECONDS = 900.0  # the server reads the whole once more

# Called with the bytes that have arrived and those of the whole, perhaps from another thread.
OnBytes = Callable[[int, int], None]


class Uploads(Resource[Mode]):
    """Files on their way in parts. `datasets.upload` is all that most need."""

    @operation
    def send(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        part_size_bytes: int | None = None,
        on_progress: OnBytes | None = None,
    ) -> Flow[Upload]:
        """Upload a file, or a folder as a zip. One that broke earlier goes on where it was.

        Args:
            name: the upload's name; else the file's.
            part_size_bytes: at least 5 MiB; else the server chooses. Four parts are held in memory.
            on_progress: called with the bytes that have arrived and those of the whole, perhaps
                from another thread.

        Raises:
            BadSource: the file cannot be read.
            StoreRefused: the object store takes a part on no try.
            ApiError, ConnectionFailed: see there.
        """
        asked = Asked(source_of(path), name, part_size_bytes, on_progress)
        return (yield from send(asked, ("pending", "completed"), self.transport.max_retries))

    @operation
    def get(self, upload_id: str) -> Flow[Upload]:
        """One upload."""
        return (
            yield from ask(
                Upload, Request("GET", f"{PATH}/{upload_id}"), self.transport.max_retries
            )
        )

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Upload]:
        """Your uploads, newest first."""
        return lambda after: self._page(after, page_size)

    @operation
    def cancel(self, upload_id: str) -> Flow[Upload]:
        """Delete what has arrived."""
        request = Request("POST", f"{PATH}/{upload_id}/cancel")
        return (yield from ask(Upload, request, self.transport.max_retries))

    def _page(self, after: str | None, limit: int | None) -> Flow[Page[Upload]]:
        return page_of(Upload, PATH, after, limit, self.transport.max_retries)


@dataclass(frozen=True)
class Asked:
    """What shall be uploaded; see `Uploads.send`."""

    source: Source
    name: str | None
    part_size_bytes: int | None
    on_progress: OnBytes | None


def send(asked: Asked, statuses: tuple[UploadStatus, ...], retries: int) -> Flow[Upload]:
    """Upload, or take or finish an earlier upload of the same bytes in one of these states."""
    size, sha256 = yield Work(lambda: measure(asked.source))
    upload = yield from _find(size, sha256, statuses, retries)
    if upload is None:
        body = {"name": asked.name or asked.source.name, "size_bytes": size, "sha256": sha256}
        if asked.part_size_bytes is not None:
            body["part_size_bytes"] = asked.part_size_bytes
        upload = yield from ask(Upload, Request("POST", PATH, body=body), retries)
    if upload.status != "pending":
        return upload
    return (yield from _finish(upload, asked, retries))


def _find(
    size: int, sha256: str, statuses: tuple[UploadStatus, ...], retries: int
) -> Flow[Upload | None]:
    """The newest upload of these very bytes in one of these states."""
    after, looked = None, 0
    while looked < LOOKED_THROUGH:
        page = yield from page_of(Upload, PATH, after, 100, retries)
        for upload in page.items:
            is_same = (upload.size_bytes, upload.sha256) == (size, sha256)
            if is_same and upload.status in statuses:
                return upload
        looked += len(page.items)
        after = page.after
        if after is None:
            break
    return None


def _finish(upload: Upload, asked: Asked, retries: int) -> Flow[Upload]:
    """Send the parts that are missing, and put all together."""
    address = f"{PATH}/{upload.id}"
    listed = yield from page_of(Part, f"{address}/parts", None, None, retries)
    arrived = {
        part.number for part in listed.items if part.size_bytes == upload.part_bytes(part.number)
    }
    progress = _Progress(upload, sum(map(upload.part_bytes, arrived)), asked.on_progress)
    missing = _missing(upload, asked.source, arrived)
    while batch := (yield Work(lambda: list(itertools.islice(missing, AT_ONCE)))):
        yield Together([_send_part(address, part, progress, retries) for part in batch])
    request = Request("POST", f"{address}/complete", seconds=COMPLETE_SECONDS)
    return (yield from ask(Upload, request, retries))


def _send_part(address: str, part: "_PartBytes", progress: "_Progress", retries: int) -> Flow[None]:
    """Put one part to a link of its own; each try gets a new one, since they expire."""
    body = {"parts": [{"number": part.number, "sha256": part.sha256}]}
    for attempt in itertools.count():
        found = yield from ask(_Links, Request("POST", f"{address}/parts", body=body), retries)
        link = found.data[0]
        put = Request(link.method, link.url, content=part.data, headers=link.headers)
        failure: Exception
        try:
            answer: Answer = yield Send(put)
        except ConnectionFailed as error:
            failure = error
        else:
            if not answer.is_error:
                progress.add(len(part.data))
                return
            failure = StoreRefused(
                f"The object store answered {answer.status} to part {part.number}."
            )
        if attempt >= retries:
            raise failure
        yield from sleep(backoff(attempt))


@dataclass(frozen=True)
class _Links:
    data: list[PartLink]


@dataclass(frozen=True)
class _PartBytes:
    number: int
    data: bytes
    sha256: str


class _Progress:
    """Bytes that have arrived, from whatever thread."""

    def __init__(self, upload: Upload, arrived: int, on_progress: OnBytes | None) -> None:
        self._lock = threading.Lock()
        self._arrived, self._whole = 0, upload.size_bytes
        self._tell = on_progress
        self.add(arrived)

    def add(self, count: int) -> None:
        with self._lock:
            self._arrived += count
            if self._tell is not None:
                self._tell(self._arrived, self._whole)


def _missing(upload: Upload, source: Source, arrived: set[int]) -> Iterator[_PartBytes]:
    """The parts that have not arrived."""
    for number, data in enumerate(cut(source, upload.part_size_bytes), 1):
        if number not in arrived:
            yield _PartBytes(number, data, hashlib.sha256(data).hexdigest())
