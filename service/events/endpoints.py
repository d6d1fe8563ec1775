"""/v1/jobs/{job_id}/events"""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from service.events import service
from service.events.repository import PREFIX, number_after
from service.events.schemas import PAGE, TRAINING, EventList
from service.jobs.changes import ChangesDep
from service.jobs.endpoints import PATH
from service.jobs.problems import job_not_found
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, Responses, failures, success
from service.kit.pages import PageDep, cursor_invalid

EVENT_STREAM = "text/event-stream"

router = APIRouter(prefix=PATH, tags=["events"])

_RESPONSES: Responses = {
    **success(200, "A page of events, or with `Accept: text/event-stream` the stream.", PAGE),
    204: {"description": "Of a stream: the job has ended and you have all of it. Stop asking."},
    **failures(job_not_found(), FIELD_INVALID, cursor_invalid(PREFIX)),
}
_RESPONSES[200]["content"][EVENT_STREAM] = {
    "schema": {"type": "string"},
    "example": f"id: {TRAINING.id}\nevent: {TRAINING.type}\ndata: {TRAINING.model_dump_json()}\n\n",
}


@router.get(
    "/{job_id}/events",
    response_model=EventList,
    summary="Follow what happens to a job",
    responses=_RESPONSES,
)
async def list_events(
    job_id: str,
    request: Request,
    caller: CallerDep,
    page: PageDep,
    changes: ChangesDep,
    last_event_id: Annotated[
        str | None,
        Header(description="Of a stream: the id of the last event received; it goes on there."),
    ] = None,
) -> Response:
    """What happened to a job, oldest first; `after` is the id of the last event you have.

    With `Accept: text/event-stream` the answer is a stream of server-sent events, which ends once
    the job has ended. It also ends after ten minutes, and may break with the connection: connect
    again with the last `id` as `Last-Event-ID`, as `EventSource` does by itself. A line that begins
    with a colon every 15 seconds says that the stream lives.

        curl -N -H "Authorization: Bearer $KEY" -H "Accept: text/event-stream" \\
          $API/v1/jobs/$JOB/events
    """
    is_stream = EVENT_STREAM in request.headers.get("accept", "")
    after = number_after((is_stream and last_event_id) or page.after)
    if not is_stream:
        found = await run_in_threadpool(
            service.page_of, caller.tenant_id, job_id, after, page.limit
        )
        return Response(found.model_dump_json(), media_type="application/json")
    if await run_in_threadpool(service.is_over, caller.tenant_id, job_id, after):
        return Response(status_code=204)
    return StreamingResponse(
        service.stream(caller.tenant_id, job_id, after, changes),
        headers={"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"},
    )
