"""Which exception becomes which problem. Nothing of the inside reaches the owner."""

import logging
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.routing import Match

from core.problem import Refused
from service.kit import problems
from service.kit.problems import FieldProblem, Refusal, answer

_BY_STATUS = {
    refusal.status: refusal
    for refusal in (
        problems.BODY_UNREADABLE,
        problems.NOT_FOUND,
        problems.METHOD_NOT_ALLOWED,
        problems.BODY_TOO_LARGE,
    )
}
_FIELD_CODES = {"missing": "field_missing", "extra_forbidden": "field_unknown"}

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Give every exception that can reach the edge its problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for database_error in (OperationalError, InterfaceError, PoolTimeout):
        app.add_exception_handler(database_error, _database)
    for store_error in (BotoCoreError, ClientError):
        app.add_exception_handler(store_error, _store)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return answer(request, error)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    known = _BY_STATUS.get(error.status_code)
    code, detail = "request_refused", str(error.detail)
    if known is not None:
        code, detail = known.problem.code, known.problem.message
    return answer(request, Refusal(error.status_code, code, detail, headers=headers))


def _allowed(request: Request) -> list[str]:
    """The methods that this address takes; Starlette names those of one route only."""
    return [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]


def _database(request: Request, error: Exception) -> Response:
    log.error("request %s: database: %s", request.state.request_id, type(error).__name__)
    return answer(request, problems.DATABASE_UNAVAILABLE)


def _store(request: Request, error: Exception) -> Response:
    # Only the name of the class: the message of a store error can carry the object's key.
    log.error("request %s: object store: %s", request.state.request_id, type(error).__name__)
    return answer(request, problems.STORE_UNAVAILABLE)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        reason, position = found[0]["ctx"]["error"], found[0]["loc"][-1]
        return answer(request, problems.json_invalid(reason, position))
    if isinstance(error.body, bytes):
        return answer(request, problems.NOT_JSON)
    fields = field_problems(found, error.body)
    refusal = Refusal(
        422, fields[0].code, " ".join(field.detail for field in fields[:3]), fields[0].param
    )
    return answer(request, refusal, errors=fields)


def field_problems(errors: Sequence[Any], body: Any) -> list[FieldProblem]:
    """One problem a field: where a field takes several types, pydantic tells one for each."""
    messages: dict[str | None, list[str]] = {}
    codes: dict[str | None, str] = {}
    for error in errors:
        param = _param(error["loc"], error["type"], body)
        codes.setdefault(param, _FIELD_CODES.get(error["type"], "field_invalid"))
        messages.setdefault(param, []).append(error["msg"])
    return [
        FieldProblem(
            code=codes[param],
            param=param,
            detail=f"{param or 'body'}: {'; or: '.join(dict.fromkeys(texts))}.",
        )
        for param, texts in messages.items()
        # Of a field that takes several types, the type that the value has says more than others.
        if not any(other and other.startswith(f"{param}.") for other in messages)
    ]


def _param(loc: tuple[int | str, ...], type_: str, body: Any) -> str | None:
    """The path to a field, without the words with which pydantic names the parts of a union."""
    place, *path = loc
    if place != "body":
        return ".".join(map(str, path)) or None
    names: list[str] = []
    value = body
    for index, part in enumerate(path):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            if type_ != "missing" or index < len(path) - 1:
                continue
        names.append(str(part))
    return ".".join(names)[:200] or None
