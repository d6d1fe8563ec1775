"""/v1/jobs/{job_id}/artifacts"""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from core import lifecycle
from service.artifacts import conversions, service
from service.artifacts.schemas import (
    CONVERTED,
    LAYOUT_REQUEST,
    LIST,
    Artifact,
    Kind,
    LayoutRequest,
)
from service.datasets.problems import verdict
from service.jobs.changes import ChangesDep
from service.jobs.endpoints import PATH, QUOTA_EXCEEDED
from service.jobs.problems import job_has_no_dataset, job_not_found
from service.jobs.schemas import QUEUED, SUCCEEDED, Job
from service.jobs.service import wait_until_final
from service.kit.auth import CallerDep
from service.kit.documented import JSON_PROBLEMS, failures, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf
from service.kit.prefer import PREFER, wait_seconds
from service.kit.problems import Refusal, Unavailable
from service.kit.state import SettingsDep, StoreDep

CONVERTING = QUEUED.model_copy(update={"kind": "conversion", "parent_id": SUCCEEDED.id})
router = APIRouter(prefix=PATH, tags=["artifacts"], route_class=IdempotentRoute)
KIND_INVALID = Refusal(422, "field_invalid", "kind: Input should be one of the kinds.", "kind")


@router.get(
    "/{job_id}/artifacts",
    response_model=ListOf[Artifact],
    summary="Download what a job made",
    responses={
        **success(200, "Links to every file; none before the job has succeeded.", LIST),
        **failures(job_not_found(), KIND_INVALID),
    },
)
def list_artifacts(
    job_id: str,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
    kind: Annotated[Kind | None, Query(description="Only the files of this kind.")] = None,
) -> ListOf[Artifact]:
    """The files that a job made, each with a download link that is signed anew on every call.

    The links work without a key until `expires_at`.
    """
    found = service.of_job(caller.tenant_id, job_id, store, settings.presign_seconds, kind)
    return ListOf(data=found, has_more=False)


@router.post(
    "/{job_id}/artifacts",
    response_model=ListOf[Artifact],
    summary="Get the protected dataset in another layout",
    responses={
        **success(200, "Links to its files, and to a manifest of their SHA-256.", CONVERTED),
        **success(
            202,
            "Being written. `GET` the job in Location, or ask for the same layout again.",
            CONVERTING,
            {"Location": "The conversion's address.", "Retry-After": "Seconds until a look."},
        ),
        **failures(
            *JSON_PROBLEMS,
            job_not_found(),
            job_has_no_dataset(),
            QUOTA_EXCEEDED,
            Unavailable("worker_lost", "The workers that ran this were lost, again and again."),
        ),
    },
    openapi_extra={"parameters": [PREFER]},
)
async def convert_artifacts(
    job_id: str,
    asked: Annotated[
        LayoutRequest,
        Body(openapi_examples={"parquet": Example(value=LAYOUT_REQUEST.model_dump())}),
    ],
    request: Request,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
    changes: ChangesDep,
) -> Response:
    """Write the protected dataset once more, in another layout; asked for twice, it is made once.

    Every image of the file that the job made, training and test part, with its label; pixels are
    the same, and `image_folder` and `parquet` hold PNG. The files join those of the job.
    """
    tenant_id, seconds = caller.tenant_id, settings.presign_seconds
    if asked.layout == "uploaded":
        found = await run_in_threadpool(service.as_uploaded, tenant_id, job_id, store, seconds)
        return JSONResponse(ListOf(data=found, has_more=False).model_dump(mode="json"))
    job = await run_in_threadpool(conversions.ask, tenant_id, job_id, asked.layout)
    job = await wait_until_final(tenant_id, job.id, wait_seconds(request, settings), changes)
    if job.status not in lifecycle.FINAL:
        headers = {"Location": f"{PATH}/{job.id}", "Retry-After": "1"}
        return JSONResponse(Job.of(job).model_dump(mode="json"), 202, headers)
    if job.error is not None:
        raise verdict(job.error)
    found = await run_in_threadpool(service.signed, tenant_id, job.id, store, seconds, None)
    return JSONResponse(ListOf(data=found, has_more=False).model_dump(mode="json"))


downloads = APIRouter(prefix="/v1/artifacts", tags=["artifacts"])


@downloads.get(
    "/{artifact_id}/download",
    status_code=307,
    response_class=RedirectResponse,
    summary="Download one file",
    responses={
        **success(307, "Go to Location.", None, {"Location": "A link that is signed anew."}),
        **failures(service.artifact_not_found()),
    },
)
def download_artifact(
    artifact_id: str, caller: CallerDep, settings: SettingsDep, store: StoreDep
) -> RedirectResponse:
    """An address that stays the same, and leads to a link that is good for minutes.

        curl -L -OJ -H "Authorization: Bearer $KEY" $API/v1/artifacts/$ID/download

    Follow the redirect without the key, as curl does: the link is signed, and stores refuse both.
    """
    found = service.get(caller.tenant_id, artifact_id, store, settings.presign_seconds)
    return RedirectResponse(found.url, status_code=307)
