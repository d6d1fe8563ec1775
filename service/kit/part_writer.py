"""A stream of bytes on its way into one object, in bounded memory."""

import asyncio
import hashlib
import logging
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from starlette.concurrency import run_in_threadpool

from core.object_store import PART_BYTES, MultipartUpload, ObjectStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """What an object holds: its size in bytes, and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


class PartWriter:
    """While one part is on its way to the store, the next one fills: never more than two.

    Nothing is visible in the store before `finish`. Whoever does not finish must `discard`.
    """

    def __init__(self, store: ObjectStore, key: str, content_type: str) -> None:
        self.size = 0
        self._store = store
        self._key = key
        self._content_type = content_type
        self._upload: MultipartUpload | None = None
        self._hash = hashlib.sha256()
        # The pages of a fresh buffer cost memory only once written: small uploads are cheap.
        self._filling = bytearray(PART_BYTES)
        self._spare: bytearray | None = None
        self._filled = 0
        self._sending: asyncio.Task[None] | None = None
        self._completing = False

    async def write(self, data: memoryview) -> None:
        """Take the next bytes; waits while two parts are full."""
        while data:
            count = min(len(data), PART_BYTES - self._filled)
            memoryview(self._filling)[self._filled : self._filled + count] = data[:count]
            self._filled += count
            self.size += count
            data = data[count:]
            if self._filled == PART_BYTES:
                await self._send_part()

    async def finish(self) -> Written:
        """Store the rest and make the object visible."""
        await self._send_part()
        await self._settle()
        if self._upload is not None:
            self._completing = True
            await run_in_threadpool(self._upload.complete)
        return Written(self.size, self._hash.hexdigest())

    async def discard(self) -> None:
        """Leave nothing behind. Does not raise: it is called while another error is on its way."""
        if self._sending is not None:
            # A part that arrived after the abort would stay in the store.
            await asyncio.wait({self._sending})
        if self._upload is None:
            return
        try:
            await run_in_threadpool(self._upload.abort)
            if self._completing:
                # The answer may have been lost on the way back.
                await run_in_threadpool(self._store.delete_prefix, self._key)
        except (BotoCoreError, ClientError) as error:
            log.warning("an unfinished upload stays in the store: %s", type(error).__name__)

    async def _send_part(self) -> None:
        await self._settle()
        if not self._filled:
            return
        part = self._filling
        self._filling, self._spare = self._spare or bytearray(PART_BYTES), part
        if self._filled < PART_BYTES:
            part = part[: self._filled]
        self._filled = 0
        self._sending = asyncio.create_task(run_in_threadpool(self._store_part, part))

    async def _settle(self) -> None:
        """Wait for the part on its way, and raise what went wrong with it."""
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    def _store_part(self, part: bytearray) -> None:
        if self._upload is None:
            self._upload = self._store.multipart(self._key, self._content_type)
        self._hash.update(part)
        self._upload.write_part(part)
