"""/v1/studies"""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.openapi.models import Example

from core import tables
from core.epsilon import parse_epsilon
from service.artifacts import service as artifacts
from service.artifacts.endpoints import KIND_INVALID
from service.artifacts.schemas import LIST, Artifact, Kind
from service.datasets.problems import dataset_not_found
from service.jobs import problems
from service.jobs.endpoints import QUOTA_EXCEEDED
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, refusal_of, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.state import SettingsDep, StoreDep
from service.studies import service
from service.studies.schemas import CANCELLED, DONE, PAGE, QUEUED, REQUESTS, Study, StudyRequest

PATH = "/v1/studies"

router = APIRouter(prefix=PATH, tags=["studies"], route_class=IdempotentRoute)

_EXAMPLES = {
    name: Example(summary=name, value=request.model_dump(exclude_unset=True))
    for name, request in REQUESTS.items()
}


@router.post(
    "",
    status_code=202,
    response_model=Study,
    summary="Study epsilon, or the protected share",
    responses={
        **success(202, "Queued.", QUEUED, {"Location": "The study's address: poll it."}),
        **failures(
            *JSON_PROBLEMS,
            dataset_not_found("dataset_id"),
            problems.dataset_not_ready(tables.Dataset(status="validating")),
            refusal_of(lambda: parse_epsilon("8/0")),
            refusal_of(lambda: parse_epsilon(1.5)),
            problems.budget_out_of_range(86400),
            problems.training_length_ambiguous(),
            problems.training_steps_out_of_range(1_000_000),
            service.points_repeated("epsilons"),
            service.too_few_points(),
            service.too_many_points(30),
            QUOTA_EXCEEDED,
        ),
    },
)
def create_study(
    asked: Annotated[StudyRequest, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    caller: CallerDep,
    settings: SettingsDep,
) -> Study:
    """Measure how protection depends on epsilon, or on the share of the images that is protected.

    A study is made of jobs of yours, which go after whatever else you do: for each epsilon one that
    trains a generator, and for each further share one that applies it, once your quotas have room.
    They are in `/v1/jobs` with the study as `parent_id`.
    """
    row, points = service.create(caller.tenant_id, asked, settings)
    response.headers["Location"] = f"{PATH}/{row.id}"
    response.headers["Retry-After"] = "5"
    return Study.of(row, points)


@router.get(
    "",
    response_model=ListOf[Study],
    summary="List studies",
    responses={
        **success(200, "Your studies, newest first, without their points.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(service.PREFIX)),
    },
)
def list_studies(caller: CallerDep, page: PageDep) -> ListOf[Study]:
    """Your studies, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Study.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{study_id}",
    response_model=Study,
    summary="Follow a study",
    responses={
        **success(200, "The study as it is now.", DONE),
        **failures(service.study_not_found()),
    },
)
def get_study(study_id: str, caller: CallerDep) -> Study:
    """Status, progress, and the table as far as it is measured."""
    return Study.of(*service.get(caller.tenant_id, study_id))


@router.post(
    "/{study_id}/cancel",
    response_model=Study,
    summary="Cancel a study",
    responses={
        **success(200, "Cancelled, or about to be.", CANCELLED),
        **failures(
            service.study_not_found(), problems.job_cannot_change(tables.Job(status="succeeded"))
        ),
    },
)
def cancel_study(study_id: str, caller: CallerDep) -> Study:
    """Call a study off, and every job of it that has not ended. Cancelling twice is no error.

    What its jobs have made so far stays with them.
    """
    service.cancel(caller.tenant_id, study_id)
    return Study.of(*service.get(caller.tenant_id, study_id))


@router.get(
    "/{study_id}/artifacts",
    response_model=ListOf[Artifact],
    summary="Download a study's figures",
    responses={
        **success(200, "Links to every file; none before it has succeeded.", LIST),
        **failures(service.study_not_found(), KIND_INVALID),
    },
)
def list_study_artifacts(
    study_id: str,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
    kind: Annotated[Kind | None, Query(description="Only the files of this kind.")] = None,
) -> ListOf[Artifact]:
    """The curves as PNG and PDF (`kind=figure`): the paper's Figures 4 and 5; the table as JSON.

    Links are signed anew on every call and work without a key until `expires_at`.
    """
    row = service.row(caller.tenant_id, study_id)
    found = artifacts.signed(caller.tenant_id, row.id, store, settings.presign_seconds, kind)
    return ListOf(data=found, has_more=False)
