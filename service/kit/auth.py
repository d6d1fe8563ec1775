"""Bearer keys. Every call under /v1 names its caller, and every query starts from that."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core import api_keys, logs
from core.api_keys import Caller
from core.database import reading
from service.kit.problems import Refusal
from service.kit.rate_limit import charge

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="Your API key, as `Authorization: Bearer ul_...`.",
)


def missing() -> Refusal:
    """There is no key."""
    return Refusal(
        401,
        "api_key_missing",
        "Send your API key in the header Authorization: Bearer <key>.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def invalid() -> Refusal:
    """The key opens nothing."""
    return Refusal(
        401,
        "api_key_invalid",
        "This API key is unknown or has been revoked. Check it for missing characters.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def authenticate(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """The caller, by the key of the Authorization header.

    Raises:
        Refusal: there is no key, it opens nothing, or it was used too often.
    """
    if credentials is None:
        raise missing()
    charge(request.scope, request.app.state.limiter, api_keys.digest(credentials.credentials))
    with reading() as session:
        caller = api_keys.find(session, credentials.credentials)
    if caller is None:
        raise invalid()
    logs.add(tenant=caller.tenant_id)
    return caller


CallerDep = Annotated[Caller, Depends(authenticate)]
