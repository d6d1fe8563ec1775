"""Reading the events of a job, and following them as they come."""

import time
from collections.abc import AsyncIterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.concurrency import run_in_threadpool

from core import lifecycle
from core.database import reading
from service.events.repository import EventRepository, number_after
from service.events.schemas import Event, EventList
from service.jobs import service as jobs
from service.jobs.changes import Changes

STREAM_PAGE = 100
KEEPALIVE_SECONDS = 15.0
RETRY_MILLISECONDS = 2000
# A stream ends after this long, so that a key that was revoked does not listen on for ever.
STREAM_SECONDS = 600.0


def page_of(tenant_id: str, job_id: str, after: int, limit: int) -> EventList:
    """A page of a job's events, oldest first.

    Raises:
        Refused: `job_not_found`.
    """
    return _read(tenant_id, job_id, after, limit)[0]


def is_over(tenant_id: str, job_id: str, after: int) -> bool:
    """Whether a job has ended and nothing happened after the event `after`.

    Raises:
        Refused: `job_not_found`.
    """
    page, ended = _read(tenant_id, job_id, after, 1)
    return ended and not page.data


async def stream(tenant_id: str, job_id: str, after: int, changes: Changes) -> AsyncIterator[bytes]:
    """The events of a job as they come, as server-sent events, until the job has ended."""
    deadline = time.monotonic() + STREAM_SECONDS
    yield format_sse_event(retry=RETRY_MILLISECONDS)
    with changes.watch(job_id) as watched:
        while time.monotonic() < deadline:
            if not await watched.changed(KEEPALIVE_SECONDS):
                yield KEEPALIVE_COMMENT
                continue
            more = True
            while more:
                page, ended = await run_in_threadpool(_read, tenant_id, job_id, after, STREAM_PAGE)
                for event in page.data:
                    yield format_sse_event(
                        id=event.id, event=event.type, data_str=event.model_dump_json()
                    )
                    after = number_after(event.id)
                more = page.has_more
            if ended:
                return


def _read(tenant_id: str, job_id: str, after: int, limit: int) -> tuple[EventList, bool]:
    """A page, and whether the job had ended before it was read: then nothing follows its last."""
    job = jobs.get(tenant_id, job_id)
    with reading() as session:
        rows = EventRepository(session, tenant_id).of(job_id, after, limit + 1)
    page = EventList(data=[Event.of(row) for row in rows[:limit]], has_more=len(rows) > limit)
    return page, job.status in lifecycle.FINAL
