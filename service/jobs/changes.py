"""Waiting for jobs to change, without a thread or a database connection for whoever waits.

While anybody waits, one small query a tick asks after all of their jobs at once. Nothing stays
connected in between: a restart of the database or a pooler in front of it is no concern.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from core.database import reading

TICK_SECONDS = 0.2

# `xmin` is the transaction that last wrote a row. An event may come without a change of its job.
_MARKS = text(
    """
    SELECT id, xmin::text || ' ' || coalesce(
        (SELECT max(events.id) FROM events WHERE subject_id = jobs.id), 0
    ) AS mark
    FROM jobs WHERE id = ANY(:ids)
    """
)

log = logging.getLogger(__name__)


class Watched:
    """One who waits for one job."""

    def __init__(self) -> None:
        self.mark: str | None = None
        self._news = asyncio.Event()

    def tell(self, mark: str) -> None:
        if mark != self.mark:
            self.mark = mark
            self._news.set()

    async def changed(self, seconds: float) -> bool:
        """Wait until the job may have changed since the last call; False if that takes too long.

        The first call returns at once: only from then on is no change missed.
        """
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return False
        self._news.clear()
        return True


class Changes:
    """Tells all who wait in this process. For one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Watched]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watched]:
        """Be told of changes of a job for the length of a `with` block."""
        watched = Watched()
        self._waiting.setdefault(job_id, set()).add(watched)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield watched
        finally:
            self._waiting[job_id].discard(watched)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def _run(self) -> None:
        while self._waiting:
            try:
                marks = await run_in_threadpool(_look, list(self._waiting))
            except SQLAlchemyError as error:
                log.warning("changes of jobs not seen: %s", type(error).__name__)
                marks = {}
            for job_id, mark in marks.items():
                for watched in self._waiting.get(job_id, ()):
                    watched.tell(mark)
            await asyncio.sleep(TICK_SECONDS)


def _look(job_ids: list[str]) -> dict[str, str]:
    with reading() as session:
        return {row.id: row.mark for row in session.execute(_MARKS, {"ids": job_ids})}


async def _changes(request: Request) -> Changes:
    return cast(Changes, request.app.state.changes)


ChangesDep = Annotated[Changes, Depends(_changes)]
