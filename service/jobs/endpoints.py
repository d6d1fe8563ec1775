"""/v1/jobs"""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.openapi.models import Example
from starlette.concurrency import run_in_threadpool

from core import tables
from core.epsilon import parse_epsilon
from core.label_map import parse_label_map
from core.quotas import JOBS, exceeded
from service.datasets.problems import dataset_not_found
from service.jobs import problems, service
from service.jobs.changes import ChangesDep
from service.jobs.deadline import deadline_out_of_range
from service.jobs.estimate import EXAMPLE as ESTIMATE
from service.jobs.estimate import Estimate, estimate
from service.jobs.repository import PREFIX
from service.jobs.schemas import (
    CANCELLING,
    PAGE,
    PAUSING,
    QUEUED,
    REQUESTS,
    RUNNING,
    Job,
    JobRequest,
)
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, refusal_of, success
from service.kit.etag import DOCUMENTED, ETAG_HEADER, IfNoneMatch
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.state import SettingsDep

PATH = "/v1/jobs"

router = APIRouter(prefix=PATH, tags=["jobs"], route_class=IdempotentRoute)

_REQUEST_EXAMPLES = {
    name: Example(summary=name, value=request.model_dump(exclude_unset=True))
    for name, request in REQUESTS.items()
}
LABEL_MAP_PROBLEMS = [
    refusal_of(lambda asked=asked: parse_label_map(asked, ["cat", "dog"]))  # type: ignore[misc]
    for asked in ("rotate", {"cat": "bird"}, {"cat": "cat"}, {"cat": "dog"})
]


QUOTA_EXCEEDED = exceeded(JOBS, 10, 10)
_REQUEST_PROBLEMS = (
    *JSON_PROBLEMS,
    dataset_not_found("dataset_id"),
    problems.dataset_not_ready(tables.Dataset(status="validating")),
    refusal_of(lambda: parse_epsilon("8/0")),
    refusal_of(lambda: parse_epsilon(1.5)),
    *LABEL_MAP_PROBLEMS,
    problems.budget_out_of_range(86400),
    problems.training_length_ambiguous(),
    problems.training_steps_out_of_range(1_000_000),
    problems.untargeted_without_label_map(),
    problems.class_unknown("bird", 0),
    deadline_out_of_range(),
)


@router.post(
    "/estimate",
    response_model=Estimate,
    summary="Ask how long a job would take",
    responses={**success(200, "The estimate.", ESTIMATE), **failures(*_REQUEST_PROBLEMS)},
)
def estimate_job(
    asked: Annotated[JobRequest, Body(openapi_examples=_REQUEST_EXAMPLES)],
    caller: CallerDep,
    settings: SettingsDep,
) -> Estimate:
    """Seconds by phase of a job that is not started, from what this server has measured so far.

    Takes what `POST /v1/jobs` takes, and refuses what that refuses.
    """
    return estimate(caller.tenant_id, asked, settings)


@router.post(
    "",
    status_code=202,
    response_model=Job,
    summary="Start a job",
    responses={
        **success(202, "Queued.", QUEUED, {"Location": "The job's address: poll it."}),
        **failures(*_REQUEST_PROBLEMS, QUOTA_EXCEEDED),
    },
)
def create_job(
    asked: Annotated[JobRequest, Body(openapi_examples=_REQUEST_EXAMPLES)],
    response: Response,
    caller: CallerDep,
    settings: SettingsDep,
) -> Job:
    """Protect a dataset: train a generator against it, perturb it, and measure the effect.

    The answer comes at once. Ask the address in Location until `status` is `succeeded`, `failed`
    or `cancelled`: once a second, or with `?wait=30`.
    """
    job = service.create(caller.tenant_id, asked, settings)
    response.headers["Location"] = f"{PATH}/{job.id}"
    response.headers["Retry-After"] = "1"
    return service.view(job)


@router.get(
    "",
    response_model=ListOf[Job],
    summary="List jobs",
    responses={
        **success(200, "Your jobs, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_jobs(caller: CallerDep, page: PageDep) -> ListOf[Job]:
    """Your jobs, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Job.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{job_id}",
    response_model=Job,
    summary="Follow a job",
    responses={
        **success(200, "The job as it is now.", RUNNING, ETAG_HEADER),
        **DOCUMENTED,
        **failures(problems.job_not_found(), FIELD_INVALID),
    },
)
async def get_job(
    job_id: str,
    caller: CallerDep,
    changes: ChangesDep,
    if_none_match: IfNoneMatch = None,
    wait: Annotated[
        float,
        Query(ge=0, le=60, description="Seconds to wait for a change before answering, up to 60."),
    ] = 0,
) -> Response:
    """Status, phase, progress, current metrics and estimated end of one job.

    With `wait` the answer comes as soon as the job is not any more what `If-None-Match` names, or
    without that header what it was when you asked; at the latest after so many seconds. A job that
    has ended is answered at once.

        curl -H "Authorization: Bearer $KEY" "$API/v1/jobs/$JOB?wait=30"
    """
    found = await run_in_threadpool(service.tagged, caller.tenant_id, job_id)
    if wait and not found.is_final and (if_none_match is None or found.is_known(if_none_match)):
        found = await service.wait_for_change(caller.tenant_id, job_id, found, wait, changes)
    return found.response(if_none_match)


@router.post(
    "/{job_id}/cancel",
    response_model=Job,
    summary="Cancel a job",
    responses={
        **success(200, "Cancelled, or about to be.", CANCELLING),
        **failures(
            problems.job_not_found(), problems.job_cannot_change(tables.Job(status="succeeded"))
        ),
    },
)
def cancel_job(job_id: str, caller: CallerDep) -> Job:
    """Call a job off. A queued one ends at once, a running one within seconds (`cancelling`).

    Cancelling twice is no error. A job that has succeeded or failed cannot be cancelled.
    """
    return service.view(service.cancel(caller.tenant_id, job_id))


_TOO_LATE = [
    problems.job_cannot_change(tables.Job(status=status)) for status in ("failed", "cancelling")
]


@router.post(
    "/{job_id}/pause",
    response_model=Job,
    summary="Pause a job",
    responses={
        **success(200, "Paused, or about to be.", PAUSING),
        **failures(problems.job_not_found(), *_TOO_LATE),
    },
)
def pause_job(job_id: str, caller: CallerDep) -> Job:
    """Let a job rest. It keeps what it has done: a training stops at its next checkpoint
    (`pausing`, for seconds), and goes on from there when the job is resumed, to the same result.

    Pausing twice is no error. A job that has ended or is being cancelled cannot be paused; one that
    is paused can be cancelled.
    """
    return service.view(service.pause(caller.tenant_id, job_id))


@router.post(
    "/{job_id}/resume",
    response_model=Job,
    summary="Resume a job",
    responses={
        **success(200, "Queued again, or running.", QUEUED),
        **failures(problems.job_not_found(), *_TOO_LATE),
    },
)
def resume_job(job_id: str, caller: CallerDep) -> Job:
    """Let a paused job go on, at its old place in the queue.

    Resuming a job that is not paused is no error. A job that has ended or is being cancelled cannot
    be resumed.
    """
    return service.view(service.resume(caller.tenant_id, job_id))
