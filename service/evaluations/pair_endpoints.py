"""/v1/evaluations"""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.openapi.models import Example

from core import tables
from service.artifacts import service as artifacts
from service.artifacts.endpoints import KIND_INVALID
from service.artifacts.schemas import LIST, Artifact, Kind
from service.datasets.problems import dataset_not_found
from service.evaluations import pair_service as service
from service.evaluations.pairs import (
    CANCELLED,
    DONE,
    PAGE,
    REQUESTS,
    WAITING,
    PairEvaluation,
    PairRequest,
)
from service.jobs.deadline import deadline_out_of_range
from service.jobs.endpoints import LABEL_MAP_PROBLEMS, QUOTA_EXCEEDED
from service.jobs.problems import (
    dataset_not_ready,
    job_cannot_change,
    job_has_no_dataset,
    job_not_found,
)
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.state import SettingsDep, StoreDep

PATH = "/v1/evaluations"

router = APIRouter(prefix=PATH, tags=["evaluations"], route_class=IdempotentRoute)

_EXAMPLES = {
    name: Example(summary=name, value=request.model_dump(exclude_unset=True))
    for name, request in REQUESTS.items()
}


@router.post(
    "",
    status_code=202,
    response_model=PairEvaluation,
    summary="Evaluate any pair of datasets",
    responses={
        **success(202, "Queued.", WAITING, {"Location": "The evaluation's address: poll it."}),
        **failures(
            *JSON_PROBLEMS,
            dataset_not_found("clean_dataset_id"),
            job_not_found(),
            dataset_not_ready(tables.Dataset(status="validating")),
            job_has_no_dataset("job_id"),
            service.datasets_differ("classes"),
            *LABEL_MAP_PROBLEMS,
            QUOTA_EXCEEDED,
            deadline_out_of_range(),
        ),
    },
)
def create_evaluation(
    asked: Annotated[PairRequest, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    caller: CallerDep,
) -> PairEvaluation:
    """Measure what is learned from a protected dataset, wherever it was protected.

    Upload the original and the protected form as two datasets, or name a job. Every victim is
    trained from scratch once for each seed, on both, and under every counter-measure asked for;
    the headline is the learner who gets most out of the protected images.
    """
    row = service.create(caller.tenant_id, asked)
    response.headers["Location"] = f"{PATH}/{row.id}"
    response.headers["Retry-After"] = "1"
    return PairEvaluation.of(row)


@router.get(
    "",
    response_model=ListOf[PairEvaluation],
    summary="List evaluations",
    responses={
        **success(200, "Your evaluations of pairs, newest first, without results.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(service.PREFIX)),
    },
)
def list_evaluations(caller: CallerDep, page: PageDep) -> ListOf[PairEvaluation]:
    """The evaluations that you asked for; those of jobs are with the jobs."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[PairEvaluation.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{evaluation_id}",
    response_model=PairEvaluation,
    summary="Follow an evaluation",
    responses={
        **success(200, "The evaluation as it is now.", DONE),
        **failures(service.evaluation_not_found()),
    },
)
def get_pair_evaluation(evaluation_id: str, caller: CallerDep) -> PairEvaluation:
    """Status and progress, and the result once there is one."""
    row = service.get(caller.tenant_id, evaluation_id)
    return PairEvaluation.of(row, row.evaluation)


@router.post(
    "/{evaluation_id}/cancel",
    response_model=PairEvaluation,
    summary="Cancel an evaluation",
    responses={
        **success(200, "Cancelled, or about to be.", CANCELLED),
        **failures(
            service.evaluation_not_found(), job_cannot_change(tables.Job(status="succeeded"))
        ),
    },
)
def cancel_evaluation(evaluation_id: str, caller: CallerDep) -> PairEvaluation:
    """Call an evaluation off. Cancelling twice is no error."""
    return PairEvaluation.of(service.cancel(caller.tenant_id, evaluation_id))


@router.get(
    "/{evaluation_id}/artifacts",
    response_model=ListOf[Artifact],
    summary="Download an evaluation's files",
    responses={
        **success(200, "Links to every file; none before it has succeeded.", LIST),
        **failures(service.evaluation_not_found(), KIND_INVALID),
    },
)
def list_evaluation_artifacts(
    evaluation_id: str,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
    kind: Annotated[Kind | None, Query(description="Only the files of this kind.")] = None,
) -> ListOf[Artifact]:
    """The report as one HTML page (`kind=report`), its figures as PNG and PDF, the result as JSON.

    Links are signed anew on every call and work without a key until `expires_at`.
    """
    row = service.get(caller.tenant_id, evaluation_id)
    found = artifacts.signed(caller.tenant_id, row.id, store, settings.presign_seconds, kind)
    return ListOf(data=found, has_more=False)
