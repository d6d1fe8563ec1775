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

# Parts in memory, the one that fills included: several on their way keep the store busy.
PARTS = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What an object holds: its size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass
class _Part:
    """A part on its way: both the store and the hash read its buffer."""

    buffer: bytearray
    stored: asyncio.Task[None]
    hashed: asyncio.Task[None]


class PartWriter:
    """While some parts are on their way to the store, the next one fills.

    Nothing is visible in the store before `finish`. Whoever does not finish must `discard`.
    """

    def __init__(self, store: ObjectStore, key: str, content_type: str) -> None:
        self.size = 0
        self._store = store
        self._key = key
        self._content_type = content_type
        self._opening: asyncio.Task[MultipartUpload] | None = None
        self._completing = False
        self._hash = hashlib.sha256()
        # The pages of a fresh buffer cost memory only once written: small uploads are cheap.
        self._filling = bytearray(PART_BYTES)
        self._filled = 0
        self._count = 0
        self._underway: deque[_Part] = deque()

    async def write(self, data: memoryview) -> None:
        """Take the next bytes; waits while all `PARTS` are full."""
        while data:
            count = min(len(data), PART_BYTES - self._filled)
            memoryview(self._filling)[self._filled : self._filled + count] = data[:count]
            self._filled += count
            self.size += count
            data = data[count:]
            if self._filled == PART_BYTES:
                self._filling = await self._send(self._filling)
                self._filled = 0

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
        tasks = [task for part in self._underway for task in (part.stored, part.hashed)]
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

    async def _send(self, buffer: bytearray) -> bytearray:
        """Put a part on its way, and return a buffer for the next one."""
        if self._opening is None:
            self._opening = asyncio.create_task(
                run_in_threadpool(self._store.multipart, self._key, self._content_type)
            )
        upload = await asyncio.shield(self._opening)
        self._count += 1
        before = self._underway[-1].hashed if self._underway else None
        self._underway.append(
            _Part(
                buffer,
                stored=asyncio.create_task(
                    run_in_threadpool(upload.write_part, self._count, buffer)
                ),
                hashed=asyncio.create_task(self._hash_after(before, buffer)),
            )
        )
        if len(self._underway) < PARTS:
            return bytearray(PART_BYTES)
        return await self._arrived()

    async def _hash_after(self, before: asyncio.Task[None] | None, buffer: bytearray) -> None:
        if before is not None:
            await before
        await run_in_threadpool(self._hash.update, buffer)

    async def _arrived(self) -> bytearray:
        """Wait for the oldest part on its way, raise what went wrong with it, free its buffer."""
        part = self._underway[0]
        await asyncio.shield(part.hashed)
        await asyncio.shield(part.stored)
        self._underway.popleft()
        return part.buffer
