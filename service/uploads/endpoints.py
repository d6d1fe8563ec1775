"""/v1/uploads"""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.openapi.models import Example

from core.quotas import BYTES, exceeded
from core.settings import MIB
from service.datasets.problems import upload_too_large
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.problems import STORE_UNAVAILABLE
from service.kit.state import SettingsDep, StoreDep
from service.uploads import problems, service
from service.uploads.completions import CompletionsDep
from service.uploads.repository import PREFIX
from service.uploads.schemas import (
    CANCELLED,
    COMPLETED,
    LINKS,
    PAGE,
    PARTS,
    PARTS_REQUEST,
    PENDING,
    REQUEST,
    Part,
    PartLink,
    PartsRequest,
    Upload,
    UploadRequest,
)

PATH = "/v1/uploads"

router = APIRouter(prefix=PATH, tags=["uploads"], route_class=IdempotentRoute)

_BEGIN = {"photos": Example(summary="photos", value=REQUEST.model_dump(exclude_unset=True))}
_PART = {"first": Example(summary="first", value=PARTS_REQUEST.model_dump())}


@router.post(
    "",
    status_code=201,
    response_model=Upload,
    summary="Begin a resumable upload",
    responses={
        **success(201, "Begun: ask for links to its parts.", PENDING, {"Location": "Its address."}),
        **failures(
            *JSON_PROBLEMS,
            upload_too_large(4096 * MIB, "size_bytes"),
            problems.part_size_invalid(8 * MIB),
            exceeded(BYTES, 100_000_000_000, 99_000_000_000, 4_211_870_000),
            STORE_UNAVAILABLE,
        ),
    },
)
def begin_upload(
    asked: Annotated[UploadRequest, Body(openapi_examples=_BEGIN)],
    response: Response,
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
) -> Upload:
    """Announce a file that is sent in parts, each of which can be sent again by itself.

    1. `POST /v1/uploads` with size and SHA-256 of the file
    2. `POST /v1/uploads/{upload_id}/parts` for links, then `PUT` each part to its link
    3. `POST /v1/uploads/{upload_id}/complete`, which checks the SHA-256 of the whole
    4. `POST /v1/datasets` with `{"upload_id": ...}`

    After an interruption `GET /v1/uploads/{upload_id}/parts` tells what has arrived.
    """
    row = service.begin(caller.tenant_id, asked, store, settings)
    response.headers["Location"] = f"{PATH}/{row.id}"
    return Upload.of(row)


@router.get(
    "",
    response_model=ListOf[Upload],
    summary="List uploads",
    responses={
        **success(200, "Your uploads, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_uploads(caller: CallerDep, page: PageDep) -> ListOf[Upload]:
    """Your uploads, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Upload.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{upload_id}",
    response_model=Upload,
    summary="Look at an upload",
    responses={
        **success(200, "The upload.", PENDING),
        **failures(problems.upload_not_found()),
    },
)
def get_upload(upload_id: str, caller: CallerDep) -> Upload:
    """Status, sizes and expiry of one upload."""
    return Upload.of(service.get(caller.tenant_id, upload_id))


@router.post(
    "/{upload_id}/parts",
    response_model=ListOf[PartLink],
    summary="Get links for parts",
    responses={
        **success(200, "A link for each part, in the order asked.", LINKS),
        **failures(
            *JSON_PROBLEMS,
            problems.upload_not_found(),
            problems.upload_closed("completed"),
            problems.part_unknown(7, 4),
        ),
    },
)
def sign_parts(
    upload_id: str,
    asked: Annotated[PartsRequest, Body(openapi_examples=_PART)],
    caller: CallerDep,
    settings: SettingsDep,
    store: StoreDep,
) -> ListOf[PartLink]:
    """Links to which the parts are `PUT`, without a key, until `expires_at`.

    Each link takes one part, of its size and its SHA-256: the store refuses other bytes. A part may
    be sent again, and links asked for again, as often as you like.
    """
    found = service.links(caller.tenant_id, upload_id, asked, store, settings.presign_seconds)
    return ListOf(data=found, has_more=False)


@router.get(
    "/{upload_id}/parts",
    response_model=ListOf[Part],
    summary="List parts that have arrived",
    responses={
        **success(200, "All parts that have arrived, by number.", PARTS),
        **failures(problems.upload_not_found(), STORE_UNAVAILABLE),
    },
)
def list_parts(upload_id: str, caller: CallerDep, store: StoreDep) -> ListOf[Part]:
    """What the store has of a pending upload: send the others. At most 1,000, never paged."""
    return ListOf(data=service.parts(caller.tenant_id, upload_id, store), has_more=False)


@router.post(
    "/{upload_id}/complete",
    response_model=Upload,
    summary="Complete an upload",
    responses={
        **success(200, "The whole file has arrived and has its SHA-256.", COMPLETED),
        **failures(
            problems.upload_not_found(),
            problems.upload_closed("cancelled"),
            problems.upload_completing(),
            problems.parts_missing([2, 3], 4),
            problems.checksum_mismatch(),
            STORE_UNAVAILABLE,
        ),
    },
)
async def complete_upload(
    upload_id: str, caller: CallerDep, store: StoreDep, completions: CompletionsDep
) -> Upload:
    """Put the parts together and check the SHA-256 of the whole, which reads it once.

    A file of another SHA-256 is deleted. Completing twice changes nothing. A large file takes
    minutes, and a few are read at a time: `GET /v1/uploads/{upload_id}` tells when it is done, also
    if the connection broke meanwhile.
    """
    complete = partial(service.complete, caller.tenant_id, upload_id, store)
    return Upload.of(await completions.run(caller.tenant_id, upload_id, complete))


@router.post(
    "/{upload_id}/cancel",
    response_model=Upload,
    summary="Cancel an upload",
    responses={
        **success(200, "What had arrived is deleted.", CANCELLED),
        **failures(problems.upload_not_found(), problems.upload_used(), STORE_UNAVAILABLE),
    },
)
def cancel_upload(upload_id: str, caller: CallerDep, store: StoreDep) -> Upload:
    """Delete what has arrived. Cancelling twice changes nothing."""
    return Upload.of(service.cancel(caller.tenant_id, upload_id, store))
