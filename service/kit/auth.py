"""Bearer keys. Every call under /v1 names its caller, and every query starts from that."""

from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from core import api_keys, audit, logs, scopes
from core.api_keys import Caller
from core.database import reading
from service.kit.problems import Refusal
from service.kit.rate_limit import charge
from service.kit.scopes import required

_CALLER = "caller"
_documented = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="Your API key, as `Authorization: Bearer ul_...`. Each call names the scope that "
    "the key needs for it; a key with the scope `all` may do everything.",
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


def expired() -> Refusal:
    """The key opened something once."""
    return Refusal(
        401,
        "api_key_expired",
        "This API key has expired, or was rotated and its time of grace is over. Use the new "
        "secret, or have another key with the scope keys:write make one.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def scope_missing(scope: str) -> Refusal:
    """The key is good, but not for this call."""
    return Refusal(
        403,
        "scope_missing",
        f"This API key lacks the scope {scope}. Use a key that has it; a key with keys:write can "
        "make one at POST /v1/api_keys.",
        scope,
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
    )


def identify(request: Request) -> Caller:
    """The caller, by the key of the Authorization header, if it may make this call.

    Asked again within the same request, the answer costs nothing.

    Raises:
        Refusal: there is no key, it opens nothing or not this, or it was used too often.
    """
    state = request.scope["state"]
    if _CALLER in state:
        return cast(Caller, state[_CALLER])
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not key:
        raise missing()
    charge(request.scope, request.app.state.limiter, api_keys.digest(key))
    with reading() as session:
        caller = api_keys.find(session, key)
        if caller is None:
            raise expired() if api_keys.has_expired(session, key) else invalid()
    logs.add(tenant=caller.tenant_id)
    audit.identified(caller.key_id)
    if caller.use_is_stale:
        request.app.state.last_used.note(caller.key_id)
    scope = required(request.method, request.scope["route"].path)
    if not scopes.allows(caller.scopes, scope):
        raise scope_missing(scope)
    state[_CALLER] = caller
    return caller


def authenticate(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Depends(_documented)],
) -> Caller:
    """`identify`, as a dependency that /docs knows.

    Raises:
        Refusal: as `identify`.
    """
    return identify(request)


CallerDep = Annotated[Caller, Depends(authenticate)]
