"""/v1/datasets"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from fastapi.openapi.models import Example
from starlette.concurrency import run_in_threadpool

from core import lifecycle
from core.ids import new_id
from core.quotas import BYTES, exceeded
from core.settings import MIB
from core.upload_codes import CODES
from core.uploads import object_key
from service.datasets import problems, service
from service.datasets.repository import PREFIX
from service.datasets.schemas import (
    BAD_FILES,
    CHANGE,
    CHANGED,
    PAGE,
    READY,
    VALIDATING,
    Dataset,
    DatasetChange,
    FromUpload,
)
from service.datasets.upload import Gate, receive
from service.kit.auth import CallerDep
from service.kit.body_limit import declared_length
from service.kit.documented import (
    FIELD_INVALID,
    JSON_PROBLEMS,
    Responses,
    failures,
    success,
    with_codes,
)
from service.kit.idempotency import IdempotentRoute
from service.kit.json_body import is_json, read_json
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.prefer import APPLIED, PREFER, RESPOND_ASYNC, prefers_async
from service.kit.problems import STORE_UNAVAILABLE
from service.kit.state import SettingsDep, StoreDep
from service.uploads.problems import upload_not_completed, upload_not_found, upload_used

UPLOAD_PATH = "/v1/datasets"

router = APIRouter(prefix=UPLOAD_PATH, tags=["datasets"], route_class=IdempotentRoute)

_LOCATION = {"Location": "The dataset's address."}
_UPLOAD_RESPONSES: Responses = {
    **success(201, "Uploaded, validated and ready for jobs.", READY, _LOCATION),
    **success(
        202,
        "Uploaded; validation goes on. `GET` the address in Location until `status` changes.",
        VALIDATING,
        {**_LOCATION, "Retry-After": "Seconds until a look is worth it."},
    ),
    **with_codes(
        failures(
            problems.form_malformed(),
            problems.upload_interrupted(),
            problems.upload_too_large(4096 * MIB),
            problems.form_expected(),
            problems.upload_empty(),
            problems.file_missing(),
            problems.file_repeated(),
            problems.field_unknown("photos"),
            problems.name_invalid(),
            problems.rejected(
                {
                    "code": "image_truncated",
                    "message": "The PNG is cut short. Export or download it again. 1 more cannot "
                    "be used either: validation_report has the list.",
                    "param": "train/cat/0017.png",
                    "report": BAD_FILES.model_dump(),
                }
            ),
            problems.dataset_not_found(),
            problems.uploads_busy(),
            exceeded(BYTES, 100_000_000_000, 99_000_000_000, 4_211_870_000),
            *JSON_PROBLEMS,
            upload_not_found("upload_id"),
            upload_not_completed("pending"),
            upload_used(),
            STORE_UNAVAILABLE,
        ),
        422,
        CODES,
    ),
}
_UPLOAD_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A zip, npz or parquet file.",
                        },
                        "name": {
                            "type": "string",
                            "maxLength": 200,
                            "description": "A name for you to know it by; else that of the file.",
                        },
                    },
                },
                "example": {"file": "@digits.npz", "name": "digits"},
            },
            "application/json": {
                "schema": FromUpload.model_json_schema(),
                "example": {"upload_id": "upl_01k9x2v7q3m8c4r6t5w0ye1hzn", "name": "digits"},
            },
        },
    },
    "parameters": [PREFER],
}


@router.post(
    "",
    status_code=201,
    response_model=Dataset,
    summary="Upload a dataset",
    responses=_UPLOAD_RESPONSES,
    openapi_extra=_UPLOAD_FORM,
)
async def create_dataset(
    request: Request,
    response: Response,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
) -> Dataset:
    """Upload a labelled image dataset as one file, and learn whether it can be used.

    - a **zip** of an image folder: `train/<class>/*` and `test/<class>/*`, or `<class>/*` alone
    - an **npz** file with `x_train`, `y_train`, `x_test` and `y_test`
    - a zip of MNIST's **IDX** files, gzipped or not, or of **CIFAR-10**'s binary version
    - a **parquet** file with Hugging Face's `image` and `label` features

    Without a test part one is cut, and the answer says so.

    Every image is checked. The answer waits for that for a while; a dataset with files that cannot
    be used is refused with 422, `param` names the first of them and `validation_report` all, and
    nothing of it is kept. Whoever does not wait finds the same report in `GET /v1/datasets/{id}`.

        curl -H "Authorization: Bearer $KEY" -F file=@photos.zip $API/v1/datasets

    A file that has been uploaded in parts (`/v1/uploads`) is named by `upload_id` in a JSON body.
    """
    if is_json(request):
        asked = await read_json(request, FromUpload)
        row = await run_in_threadpool(service.register_upload, caller.tenant_id, asked)
        dataset_id = row.id
    else:
        await run_in_threadpool(
            service.check_room, caller.tenant_id, declared_length(request.scope)
        )
        dataset_id = new_id(PREFIX)
        key = object_key(caller.tenant_id, dataset_id)
        uploads: Gate = request.app.state.uploads
        with uploads.enter():
            received = await receive(request, uploads, store, key, settings.max_upload_bytes)
            row = await run_in_threadpool(
                service.register, caller.tenant_id, dataset_id, received, store
            )
    response.headers["Location"] = f"{UPLOAD_PATH}/{dataset_id}"
    if prefers_async(request):
        response.headers[APPLIED] = RESPOND_ASYNC
    else:
        row = await service.wait_for_verdict(
            caller.tenant_id, dataset_id, settings.upload_wait_seconds, request.is_disconnected
        )
    if row.status == lifecycle.VALIDATING:
        response.status_code = 202
        response.headers["Retry-After"] = "1"
    return Dataset.of(row)


@router.get(
    "",
    response_model=ListOf[Dataset],
    summary="List datasets",
    responses={
        **success(200, "Your datasets, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_datasets(caller: CallerDep, page: PageDep) -> ListOf[Dataset]:
    """Your datasets, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Dataset.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{dataset_id}",
    response_model=Dataset,
    summary="Look at a dataset",
    responses={
        **success(200, "The dataset.", READY),
        **failures(problems.dataset_not_found()),
    },
)
def get_dataset(dataset_id: str, caller: CallerDep) -> Dataset:
    """Status, classes, counts and image shape of one dataset."""
    return Dataset.of(service.get(caller.tenant_id, dataset_id))


@router.get(
    "/{dataset_id}/contact-sheet",
    response_class=Response,
    summary="See a dataset's images",
    responses={
        200: {
            "description": "A PNG: a row for each class in label order, ten images in each.",
            "content": {
                "image/png": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "the bytes of the PNG",
                }
            },
        },
        **failures(
            problems.dataset_not_found(), problems.contact_sheet_missing(), STORE_UNAVAILABLE
        ),
    },
)
def get_contact_sheet(dataset_id: str, caller: CallerDep, store: StoreDep) -> Response:
    """Thumbnails of the first ten training images of each of the first twenty classes."""
    return Response(
        service.contact_sheet(caller.tenant_id, dataset_id, store),
        media_type="image/png",
        headers={"Content-Disposition": f'attachment; filename="{dataset_id}.png"'},
    )


@router.patch(
    "/{dataset_id}",
    response_model=Dataset,
    summary="Say how long a dataset is kept",
    responses={
        **success(200, "The dataset as it is now.", CHANGED),
        **failures(*JSON_PROBLEMS, problems.dataset_not_found()),
    },
)
def change_dataset(
    dataset_id: str,
    asked: Annotated[
        DatasetChange,
        Body(
            openapi_examples={
                "a week": Example(summary="a week", value=CHANGE.model_dump(exclude_unset=True))
            }
        ),
    ],
    caller: CallerDep,
) -> Dataset:
    """Choose after what time the original is deleted, as if you had called `DELETE` then.

    What its jobs made stays; `POST /v1/datasets/{dataset_id}/erase` erases that too.
    """
    return Dataset.of(service.change(caller.tenant_id, dataset_id, asked))


@router.delete(
    "/{dataset_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a dataset",
    responses={
        **success(204, "The dataset is gone, its bytes too or as soon as the store answers.", None),
        **failures(
            problems.dataset_not_found(),
            problems.dataset_validating(),
            problems.dataset_in_use(),
        ),
    },
)
def delete_dataset(dataset_id: str, caller: CallerDep, store: StoreDep) -> None:
    """Delete a dataset and its bytes. What its jobs made stays.

    To erase that too, with a receipt: `POST /v1/datasets/{dataset_id}/erase`.
    """
    service.delete(caller.tenant_id, dataset_id, store)
