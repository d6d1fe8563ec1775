"""Completing uploads: each is read through once more, so only a few at a time."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from service.uploads import problems

T = TypeVar("T")

AT_ONCE = 4
"""Each takes one of the threads that answer all requests, for as long as the store takes."""


class Completions:
    """Lets a few in at a time, the others after them, and nobody to an upload twice at once.

    For one event loop. A request to another process would read the same bytes and come to the same
    result.
    """

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[tuple[str, str]] = set()

    async def run(self, tenant_id: str, upload_id: str, complete: Callable[[], T]) -> T:
        """What `complete` returns, run in a thread once there is a place.

        Raises:
            Conflict: `upload_completing`.
        """
        upload = (tenant_id, upload_id)
        if upload in self._under_way:
            raise problems.upload_completing()
        self._under_way.add(upload)
        try:
            async with self._places:
                return await run_in_threadpool(complete)
        finally:
            self._under_way.discard(upload)


async def _completions(request: Request) -> Completions:
    return cast(Completions, request.app.state.completions)


CompletionsDep = Annotated[Completions, Depends(_completions)]
