"""A stream of bytes on its way into one object, in bounded memory."""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool

from core.object_store import PART_BYTES, MultipartUpload, ObjectStore

# Several parts of one object on their way keep the store busy.
UNDERWAY = 3

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What an object holds: its size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass
class _Part:
    """A part on its way: both the store and the hash read its bytes."""

    hashed: asyncio.Task[None]
    done: asyncio.Task[None]


class PartWriter:
    """While some parts are on their way to the store, the next one fills.

    Nothing is visible in the store before `finish`. Whoever does not finish must `discard`.

    Args:
        permits: how many parts of all writers may be on their way. A writer waits for one with a
            full part, so each holds at most that one beside those: slow senders hold up nobody.
    """

    def __init__(
        self, store: ObjectStore, key: str, content_type: str, permits: asyncio.Semaphore
    ) -> None:
        self.size = 0
        self._store = store
        self._key = key
        self._content_type = content_type
        self._permits = permits
        self._opening: asyncio.Task[MultipartUpload] | None = None
        self._completing = False
        self._hash = hashlib.sha256()
        self._filling = _fresh()
        self._filled = 0
        self._count = 0
        self._underway: deque[_Part] = deque()

    async def write(self, data: memoryview) -> None:
        """Take the next bytes; waits while a full part may not be sent."""
        while data:
            count = min(len(data), PART_BYTES - self._filled)
            memoryview(self._filling)[self._filled : self._filled + count] = data[:count]
            self._filled += count
            self.size += count
            data = data[count:]
            if self._filled == PART_BYTES:
                await self._send(self._filling)
                self._filling, self._filled = _fresh(), 0

    async def finish(self) -> Written:
        """Store the rest and make the object visible."""
        if self._filled:
            await self._send(self._filling[: self._filled])
        while self._underway:
            await self._arrived()
        if self._opening is not None:
            self._completing = True
            await run_in_threadpool(self._opening.result().complete)
        return Written(self.size, self._hash.hexdigest())

    async def discard(self) -> None:
        """Leave nothing behind. Does not raise: it is called while another error is on its way."""
        if self._opening is None:
            return
        # A part that arrived after the abort would stay in the store.
        tasks = [task for part in self._underway for task in (part.hashed, part.done)]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait({self._opening})
        if self._opening.exception() is not None:
            return
        await self._undo(self._opening.result().abort)
        if self._completing:
            # The store may have completed it, and the answer been lost on the way back.
            await self._undo(partial(self._store.delete_prefix, self._key))

    async def _undo(self, step: Callable[[], object]) -> None:
        try:
            await run_in_threadpool(step)
        except (BotoCoreError, ClientError) as error:
            log.warning("an unfinished upload may stay in the store: %s", type(error).__name__)

    async def _send(self, buffer: bytearray) -> None:
        """Put a part on its way, once few enough are."""
        if self._opening is None:
            self._opening = asyncio.create_task(
                run_in_threadpool(self._store.multipart, self._key, self._content_type)
            )
        upload = await asyncio.shield(self._opening)
        if len(self._underway) == UNDERWAY:
            await self._arrived()
        await self._permits.acquire()
        self._count += 1
        before = self._underway[-1].hashed if self._underway else None
        hashed = asyncio.create_task(self._hash_after(before, buffer))
        done = asyncio.create_task(self._carry(upload, self._count, buffer, hashed))
        self._underway.append(_Part(hashed, done))

    async def _hash_after(self, before: asyncio.Task[None] | None, buffer: bytearray) -> None:
        if before is not None:
            await before
        await run_in_threadpool(self._hash.update, buffer)

    async def _carry(
        self, upload: MultipartUpload, number: int, buffer: bytearray, hashed: asyncio.Task[None]
    ) -> None:
        try:
            await run_in_threadpool(upload.write_part, number, buffer)
            await hashed
        finally:
            self._permits.release()

    async def _arrived(self) -> None:
        """Wait for the oldest part on its way, and raise what went wrong with it."""
        await asyncio.shield(self._underway[0].done)
        self._underway.popleft()


def _fresh() -> bytearray:
    """Room for a part. Its pages cost memory only once written: small uploads are cheap."""
    return bytearray(PART_BYTES)
