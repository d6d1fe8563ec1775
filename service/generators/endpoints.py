"""/v1/generators"""

from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from core import few_images, lifecycle, tables
from core.epsilon import max_change
from core.settings import MIB
from core.upload_codes import CODES
from service.datasets.problems import (
    dataset_not_found,
    form_malformed,
    upload_interrupted,
    uploads_busy,
)
from service.datasets.schemas import BAD_FILES
from service.datasets.upload import Gate
from service.generators import images, problems, service
from service.generators.images_form import read_images_form
from service.generators.repository import PREFIX
from service.generators.schemas import EXAMPLE, PAGE, REQUEST, Generator, ProtectRequest
from service.jobs import schemas as jobs
from service.jobs.changes import ChangesDep
from service.jobs.deadline import deadline_out_of_range
from service.jobs.endpoints import PATH as JOBS
from service.jobs.endpoints import QUOTA_EXCEEDED
from service.jobs.problems import class_unknown, dataset_not_ready
from service.jobs.service import wait_until_final
from service.kit.auth import CallerDep
from service.kit.documented import (
    FIELD_INVALID,
    JSON_PROBLEMS,
    failures,
    success,
    with_codes,
)
from service.kit.idempotency import IdempotentRoute
from service.kit.json_body import is_json, media_type, read_json
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.prefer import PREFER, wait_seconds
from service.kit.problems import STORE_UNAVAILABLE, Refusal
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


_JOB = jobs.QUEUED.model_copy(update={"kind": "application", "generator_id": EXAMPLE.id})
_FILE_HEADERS = {
    "Protection-Images": "How many images the answer has.",
    "Protection-Max-Change": "The bound: the most that a pixel may change, in 1/255.",
    "Protection-Linf": "The most that a pixel did change, in 1/255.",
    "Protection-PSNR-dB": "Peak signal-to-noise ratio to the original, of the image that changed "
    "most, in decibels; absent if nothing changed.",
}
_REJECTED = Refusal(
    422,
    "image_truncated",
    "The PNG is cut short. Export or download it again.",
    "cat.png",
    validation_report=BAD_FILES,
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ProtectRequest"},
                "examples": {
                    "a dataset": {
                        "summary": "a dataset",
                        "value": REQUEST.model_dump(exclude_unset=True),
                    }
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": few_images.MAX_FILES,
                            "description": "PNG, JPEG or WebP files, or zips of them. At most "
                            f"{few_images.MAX_BYTES // MIB} MiB and {few_images.MAX_IMAGES} images "
                            f"together, none larger than {few_images.MAX_SIDE} x "
                            f"{few_images.MAX_SIDE}.",
                        },
                        "label": {
                            "type": "array",
                            "items": {"type": "string"},
                            "maxItems": few_images.MAX_FILES,
                            "description": "The class of the images, by name or by index: once for "
                            "all files, or once for each. A generator with `conditioning` `label` "
                            "needs it, unless a zip has a folder for each class.",
                        },
                    },
                },
                "example": {"file": ["@cat.png"], "label": ["cat"]},
            },
        },
    },
    "parameters": [PREFER],
}


@router.post(
    "/{generator_id}/protect",
    status_code=202,
    response_model=jobs.Job,
    summary="Protect more images",
    responses={
        200: {
            "description": "The protected images: a PNG of one, else a zip with `protection.json`.",
            "headers": {
                name: {"description": meaning, "schema": {"type": "string"}}
                for name, meaning in _FILE_HEADERS.items()
            },
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}, "example": what}
                for kind, what in (
                    ("image/png", "the bytes of the PNG"),
                    ("application/zip", "the bytes of the zip"),
                )
            },
        },
        **success(202, "Queued.", _JOB, {"Location": "The job's address: poll it."}),
        **with_codes(
            failures(
                *JSON_PROBLEMS,
                problems.body_expected(),
                problems.generator_not_found(),
                dataset_not_found("dataset_id"),
                dataset_not_ready(tables.Dataset(status="validating")),
                problems.classes_differ(),
                problems.channels_differ(3, 1),
                class_unknown("bird", 0),
                QUOTA_EXCEEDED,
                deadline_out_of_range(),
                form_malformed(),
                upload_interrupted(),
                problems.images_too_large(),
                problems.images_missing(),
                problems.labels_do_not_match(2, 3),
                problems.label_missing(),
                problems.images_given_up(),
                _REJECTED,
                uploads_busy(),
                STORE_UNAVAILABLE,
            ),
            422,
            CODES,
        ),
    },
    openapi_extra=_BODY,
)
async def protect_with_generator(
    generator_id: str,
    request: Request,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
    changes: ChangesDep,
) -> Response:
    """Protect another dataset in seconds, or a few images at once: nothing is trained.

    - **A dataset** (JSON): the answer is a job like any other, without the phase `training`.
    - **Images** (a form): the answer is the protected image itself, or a zip of them, with the
      bound and what was measured in its headers. Nothing of them stays on the server. If no worker
      is free in time, the answer is 202 with a job: its file is in `/v1/jobs/{job_id}/artifacts`
      for an hour.

          curl -H "Authorization: Bearer $KEY" -F file=@cat.png -F label=cat \\
               -o protected.png $API/v1/generators/$ID/protect

    An image of at most 64 x 64 pixels gets the very bytes that it would have in a dataset; of
    larger ones, single pixels may be rounded the other way.
    """
    await run_in_threadpool(images.check, caller.tenant_id, generator_id)
    if is_json(request):
        asked = await read_json(request, ProtectRequest)
        job = await run_in_threadpool(service.protect, caller.tenant_id, generator_id, asked)
        return _accepted(jobs.Job.of(job))
    if media_type(request) != "multipart/form-data":
        raise problems.body_expected()
    gate: Gate = request.app.state.images
    with gate.enter():
        files = await read_images_form(request)
        job = await run_in_threadpool(images.begin, caller.tenant_id, generator_id, files, store)
    job = await wait_until_final(caller.tenant_id, job.id, wait_seconds(request, settings), changes)
    if job.status not in lifecycle.FINAL:
        return _accepted(jobs.Job.of(job))
    made, content = await run_in_threadpool(images.take, caller.tenant_id, job, store)
    return Response(content, media_type=made.content_type, headers=_measured(job, made.name))


def _accepted(job: jobs.Job) -> Response:
    headers = {"Location": f"{JOBS}/{job.id}", "Retry-After": "1"}
    return Response(job.model_dump_json(), 202, headers, media_type="application/json")


def _measured(job: tables.Job, name: str) -> dict[str, str]:
    found = {
        "Protection-Images": job.metrics["images"],
        "Protection-Max-Change": max_change(Fraction(job.epsilon)),
        "Protection-Linf": job.metrics["linf"],
        "Protection-PSNR-dB": job.metrics["psnr_db"],
    }
    told = {header: f"{value:.4g}" for header, value in found.items() if value is not None}
    return told | {"Content-Disposition": f'attachment; filename="{name}"'}


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
