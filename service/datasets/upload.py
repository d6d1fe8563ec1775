"""From the body of a request into the store, with every limit counted on the way."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from core.object_store import ObjectStore
from core.settings import MIB
from service.datasets import problems
from service.datasets.form import UploadForm
from service.kit.body_limit import declared_length
from service.kit.part_writer import PartMemory, PartWriter, Written

# What the form's boundaries, headers and other fields may add to the file.
FORM_BYTES = MIB
# Each upload holds a part that fills, and all of them together those that are on their way to the
# store: (64 + 12) * 5 MiB at the most.
MAX_CONCURRENT = 64
MAX_UNDERWAY = 12
LEAVE_SECONDS = 4.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Received:
    """An upload that lies in the store in full."""

    name: str
    written: Written


class Gate:
    """Lets a limited number of uploads in at a time. For one event loop.

    `memory` is for the parts that they send to the store.
    """

    def __init__(self, limit: int = MAX_CONCURRENT) -> None:
        self.memory = PartMemory(MAX_UNDERWAY)
        self._limit = limit
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Unavailable: there is none.
        """
        if self._inside >= self._limit:
            raise problems.uploads_busy()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self.memory.shrink()
                self._empty.set()

    async def wait_until_empty(self) -> None:
        """Let uploads that were cut off by a shutdown clean up behind themselves."""
        try:
            await asyncio.wait_for(self._empty.wait(), LEAVE_SECONDS)
        except TimeoutError:
            log.warning("%d uploads did not end in time", self._inside)


async def receive(
    request: Request, gate: Gate, store: ObjectStore, key: str, max_bytes: int
) -> Received:
    """Stream the form of a request into the object `key`; on any error nothing remains.

    Raises:
        Refusal: the form, the file or their size is not as it must be.
    """
    form = UploadForm(request.headers.get("content-type", ""))
    declared = declared_length(request.scope)
    if declared is not None and declared > max_bytes + FORM_BYTES:
        raise problems.upload_too_large(max_bytes)
    writer = PartWriter(store, key, "application/octet-stream", gate.memory)
    try:
        seen = 0
        async for chunk in request.stream():
            seen += len(chunk)
            if seen > max_bytes + FORM_BYTES:
                raise problems.upload_too_large(max_bytes)
            for piece in form.feed(chunk):
                if writer.size + len(piece) > max_bytes:
                    raise problems.upload_too_large(max_bytes)
                await writer.write(piece)
        form.end()
        if not writer.size:
            raise problems.upload_empty()
        return Received(form.name, await writer.finish())
    except ClientDisconnect as error:
        await writer.discard()
        raise problems.upload_interrupted() from error
    except BaseException:
        await writer.discard()
        raise
