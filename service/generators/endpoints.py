"""/v1/generators"""

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.openapi.models import Example

from core import tables
from service.datasets.problems import dataset_not_found
from service.generators import problems, service
from service.generators.repository import PREFIX
from service.generators.schemas import EXAMPLE, PAGE, REQUEST, Generator, ProtectRequest
from service.jobs import schemas as jobs
from service.jobs.deadline import deadline_out_of_range
from service.jobs.endpoints import PATH as JOBS
from service.jobs.endpoints import QUOTA_EXCEEDED
from service.jobs.problems import class_unknown, dataset_not_ready
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.problems import STORE_UNAVAILABLE
from service.kit.state import SettingsDep, StoreDep

PATH = "/v1/generators"

router = APIRouter(prefix=PATH, tags=["generators"], route_class=IdempotentRoute)


@router.get(
    "",
    response_model=ListOf[Generator],
    summary="List generators",
    responses={
        **success(200, "Your generators, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_generators(
    caller: CallerDep, page: PageDep, settings: SettingsDep, store: StoreDep
) -> ListOf[Generator]:
    """Every generator that your jobs have trained, newest first, a page at a time."""
    found, has_more = service.page_of(caller.tenant_id, page, store, settings.presign_seconds)
    return ListOf(data=found, has_more=has_more)


@router.get(
    "/{generator_id}",
    response_model=Generator,
    summary="Look at a generator",
    responses={
        **success(200, "The generator, with a link to its weights.", EXAMPLE),
        **failures(problems.generator_not_found()),
    },
)
def get_generator(
    generator_id: str, caller: CallerDep, settings: SettingsDep, store: StoreDep
) -> Generator:
    """What it was trained on and under, and its weights as safetensors."""
    return service.get(caller.tenant_id, generator_id, store, settings.presign_seconds)


@router.post(
    "/{generator_id}/protect",
    status_code=202,
    response_model=jobs.Job,
    summary="Protect more images",
    responses={
        **success(
            202,
            "Queued.",
            jobs.QUEUED.model_copy(update={"kind": "application", "generator_id": EXAMPLE.id}),
            {"Location": "The job's address: poll it."},
        ),
        **failures(
            *JSON_PROBLEMS,
            problems.generator_not_found(),
            dataset_not_found("dataset_id"),
            dataset_not_ready(tables.Dataset(status="validating")),
            problems.classes_differ(),
            problems.channels_differ(3, 1),
            class_unknown("bird", 0),
            QUOTA_EXCEEDED,
            deadline_out_of_range(),
        ),
    },
)
def protect_with_generator(
    generator_id: str,
    asked: Annotated[
        ProtectRequest,
        Body(
            openapi_examples={
                "plain": Example(summary="plain", value=REQUEST.model_dump(exclude_unset=True))
            }
        ),
    ],
    response: Response,
    caller: CallerDep,
) -> jobs.Job:
    """Protect another dataset in seconds: nothing is trained, only applied and measured.

    The answer is a job like any other, without the phase `training`.
    """
    job = service.protect(caller.tenant_id, generator_id, asked)
    response.headers["Location"] = f"{JOBS}/{job.id}"
    response.headers["Retry-After"] = "1"
    return jobs.Job.of(job)


@router.delete(
    "/{generator_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a generator",
    responses={
        **success(204, "The generator and its weights are gone.", None),
        **failures(problems.generator_not_found(), problems.generator_in_use(), STORE_UNAVAILABLE),
    },
)
def delete_generator(generator_id: str, caller: CallerDep, store: StoreDep) -> None:
    """Delete a generator and its weights. What was protected with it stays."""
    service.delete(caller.tenant_id, generator_id, store)
