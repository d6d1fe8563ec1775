"""/v1/jobs/{job_id}/artifacts"""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from service.artifacts import service
from service.artifacts.schemas import LIST, Artifact, Kind
from service.jobs.endpoints import PATH
from service.jobs.problems import job_not_found
from service.kit.auth import CallerDep
from service.kit.documented import failures, success
from service.kit.pages import ListOf
from service.kit.problems import Refusal
from service.kit.state import SettingsDep, StoreDep

router = APIRouter(prefix=PATH, tags=["artifacts"])

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

    curl -L -OJ -H "Authorization: Bearer $KEY" $URL/v1/artifacts/$ID/download
    """
    found = service.get(caller.tenant_id, artifact_id, store, settings.presign_seconds)
    return RedirectResponse(found.url, status_code=307)
