"""/v1/api_keys"""

from typing import Annotated

from fastapi import APIRouter, Body, Response
from fastapi.openapi.models import Example

from service.api_keys import problems, service
from service.api_keys.repository import PREFIX
from service.api_keys.schemas import (
    CREATED,
    EXAMPLE,
    PAGE,
    REQUESTS,
    ROTATED,
    ROTATION,
    ApiKey,
    ApiKeyRequest,
    ApiKeyWithSecret,
    RotateRequest,
)
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, success
from service.kit.idempotency import SecretRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid

PATH = "/v1/api_keys"

router = APIRouter(prefix=PATH, tags=["API keys"], route_class=SecretRoute)

_EXAMPLES = {
    name: Example(summary=name, value=request.model_dump(exclude_unset=True))
    for name, request in REQUESTS.items()
}
_ROTATION = {
    "with a day of grace": Example(
        summary="with a day of grace", value=ROTATION.model_dump(exclude_unset=True)
    )
}
_REFUSED = (
    *JSON_PROBLEMS,
    problems.expiry_ambiguous(),
    problems.expiry_out_of_range(),
    problems.scope_exceeded(["keys:write"]),
    problems.expiry_exceeded(),
)


@router.post(
    "",
    status_code=201,
    response_model=ApiKeyWithSecret,
    summary="Make an API key",
    responses={
        **success(
            201, "Made. Its secret is shown this once.", CREATED, {"Location": "Its address."}
        ),
        **failures(*_REFUSED, problems.api_keys_too_many(service.MOST_KEYS)),
    },
)
def create_api_key(
    asked: Annotated[ApiKeyRequest, Body(openapi_examples=_EXAMPLES)],
    response: Response,
    caller: CallerDep,
) -> ApiKeyWithSecret:
    """Make a key for a script or a person, with no more scopes than it needs.

    A key can give what it has itself, and for as long as it works itself; if it expires, so do
    those that it makes, at the latest when it does.
    """
    row, secret = service.create(caller, asked)
    response.headers["Location"] = f"{PATH}/{row.id}"
    return ApiKeyWithSecret.showing(row, secret)


@router.get(
    "",
    response_model=ListOf[ApiKey],
    summary="List API keys",
    responses={
        **success(200, "Your keys, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_api_keys(caller: CallerDep, page: PageDep) -> ListOf[ApiKey]:
    """Your keys, newest first, a page at a time; with those that open nothing any more."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[ApiKey.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{api_key_id}",
    response_model=ApiKey,
    summary="Look at an API key",
    responses={
        **success(200, "The key, without its secret.", EXAMPLE),
        **failures(problems.api_key_not_found()),
    },
)
def get_api_key(api_key_id: str, caller: CallerDep) -> ApiKey:
    """Scopes, last use and end of one key."""
    return ApiKey.of(service.get(caller.tenant_id, api_key_id))


@router.post(
    "/{api_key_id}/rotate",
    response_model=ApiKeyWithSecret,
    summary="Rotate an API key",
    responses={
        **success(200, "The key with its new secret, which is shown this once.", ROTATED),
        **failures(*_REFUSED, problems.api_key_not_found(), problems.api_key_revoked()),
    },
)
def rotate_api_key(
    api_key_id: str,
    asked: Annotated[RotateRequest, Body(openapi_examples=_ROTATION)],
    caller: CallerDep,
) -> ApiKeyWithSecret:
    """Give a key another secret. With `grace_seconds` the old one works on for a while, so that
    nothing stops while you bring the new one to where it is used.

    A key may rotate itself if it has `keys:write`, and any other that has no scope which it lacks.
    """
    row, secret = service.rotate(caller, api_key_id, asked)
    return ApiKeyWithSecret.showing(row, secret)


@router.delete(
    "/{api_key_id}",
    status_code=204,
    response_class=Response,
    summary="Revoke an API key",
    responses={
        **success(204, "The key opens nothing any more.", None),
        **failures(problems.api_key_not_found()),
    },
)
def revoke_api_key(api_key_id: str, caller: CallerDep) -> None:
    """Revoke a key at once, with the secret before its last rotation. It stays in the list.

    Links that it has signed work until they expire. Revoking twice is no error.
    """
    service.revoke(caller, api_key_id)
