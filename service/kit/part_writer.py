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


class PartMemory:
    """What the parts of all writers lie in. For one event loop.

    Each writer holds a part that fills. With a full one it waits for a permit, so that beside those
    there are only `underway` parts: slow senders hold up nobody, and memory has a bound.

    Parts are used again: what is freed and taken anew scatters over the heap, and the process comes
    to more than all parts together.

    Args:
        underway: how many parts may be on their way to the store.
    """

    def __init__(self, underway: int) -> None:
        self.permits = asyncio.Semaphore(underway)
        self._unused: list[bytearray] = []

    def take(self) -> bytearray:
        """A part to fill; it holds anything."""
        return self._unused.pop() if self._unused else bytearray(PART_BYTES)

    def give_back(self, part: bytearray) -> None:
        """Let others use a part that nobody reads any more."""
        self._unused.append(part)

    def shrink(self) -> None:
        """Free what is not in use."""
        self._unused.clear()


class PartWriter:
    """While some parts are on their way to the store, the next one fills.

    Nothing is visible in the store before `finish`. Whoever does not finish must `discard`.
    """

    def __init__(self, store: ObjectStore, key: str, content_type: str, memory: PartMemory) -> None:
        self.size = 0
        self._store = store
        self._key = key
        self._content_type = content_type
        self._memory = memory
        self._opening: asyncio.Task[MultipartUpload] | None = None
        self._completing = False
        self._hash = hashlib.sha256()
        self._filling: bytearray | None = None
        self._filled = 0
        self._count = 0
        self._underway: deque[_Part] = deque()

    async def write(self, data: memoryview) -> None:
        """Take the next bytes; waits while a full part may not be sent."""
        while data:
            if self._filling is None:
                self._filling, self._filled = self._memory.take(), 0
            count = min(len(data), PART_BYTES - self._filled)
            memoryview(self._filling)[self._filled : self._filled + count] = data[:count]
            self._filled += count
            self.size += count
            data = data[count:]
            if self._filled == PART_BYTES:
                await self._send(self._filling)
                self._filling = None

    async def finish(self) -> Written:
        """Store the rest and make the object visible."""
        if self._filling is not None:
            del self._filling[self._filled :]  # where it lies: a copy would double it
            await self._send(self._filling)
            self._filling = None
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
        await self._memory.permits.acquire()
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
            # Not after an error: a thread may still read it.
            if len(buffer) == PART_BYTES:
                self._memory.give_back(buffer)
        finally:
            self._memory.permits.release()

    async def _arrived(self) -> None:
        """Wait for the oldest part on its way, and raise what went wrong with it."""
        await asyncio.shield(self._underway[0].done)
        self._underway.popleft()
