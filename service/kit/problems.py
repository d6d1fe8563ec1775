"""Errors as the owner reads them: RFC 9457 problem+json with a stable `code`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from core.problem import Refused

PROBLEM_JSON = "application/problem+json"
# Clients generated after OpenAI's retry every 409 by themselves; this tells them whether to.
SHOULD_RETRY = "x-should-retry"


class FieldProblem(BaseModel):
    """One field of the request that cannot be used."""

    code: str = Field(description="What is wrong with the field, as a stable word.")
    param: str | None = Field(description="The field, with dots between levels.")
    detail: str = Field(description="What is wrong with the field, as a sentence.")


class BadFile(BaseModel):
    """One file of an upload that cannot be used."""

    file: str | None = Field(
        description="The member of the upload; null where it is the upload as a whole."
    )
    code: str = Field(description="What is wrong with the file, as a word that never changes.")
    message: str = Field(description="What is wrong with the file and what to do about it.")


class ValidationReport(BaseModel):
    """Every file of an upload that cannot be used."""

    total: int = Field(description="How many problems there are; 0 if the upload can be used.")
    files: list[BadFile] = Field(description="The first 100 of them, in the order of the upload.")


class ProblemBody(BaseModel):
    """What went wrong and what to do next (RFC 9457)."""

    type: str = Field(
        default="about:blank", description="Always `about:blank`: `code` tells problems apart."
    )
    title: str = Field(description="The name of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened and what to do next, for people.")
    code: str = Field(description="What happened, as a word that never changes, for programs.")
    param: str | None = Field(
        default=None,
        description="The field, the member of the upload, or the scope that is at fault.",
    )
    request_id: str = Field(
        description="The `X-Request-ID` of this answer; name it when you ask for help."
    )
    errors: list[FieldProblem] | None = Field(
        default=None, description="Every field at fault, when fields are."
    )
    validation_report: ValidationReport | None = Field(
        default=None, description="Every file at fault, when files of an upload are."
    )


class Refusal(Refused):
    """A problem of the HTTP surface: like `Refused`, with headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        validation_report: ValidationReport | None = None,
    ) -> None:
        super().__init__(code, message, param, status)
        self.headers = dict(headers or {})
        self.validation_report = validation_report


class Conflict(Refusal):
    """409: the request is fine, but the thing is not in a state that allows it.

    Args:
        retry_after: seconds after which the same request may succeed; None if it never will.
    """

    def __init__(
        self, code: str, message: str, param: str | None = None, *, retry_after: int | None = None
    ) -> None:
        headers = {SHOULD_RETRY: "false"}
        if retry_after is not None:
            headers = {SHOULD_RETRY: "true", "Retry-After": str(retry_after)}
        super().__init__(409, code, message, param, headers)


class Unavailable(Refusal):
    """503: nothing is wrong with the request; the same one will succeed later."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(503, code, message, headers={"Retry-After": "5"})


# These are answered as they are. What is raised is made anew each time: an exception that is raised
# twice keeps the traceback, and so the memory, of the first time.
NOT_FOUND = Refusal(404, "not_found", "There is nothing at this address. See /docs.")
METHOD_NOT_ALLOWED = Refusal(
    405, "method_not_allowed", "This address does not take this method. See /docs."
)
BODY_UNREADABLE = Refusal(
    400, "body_unreadable", "The body cannot be read. Send one JSON object, encoded as UTF-8."
)
BODY_TOO_LARGE = Refusal(413, "body_too_large", "The body is larger than this call takes.")
NOT_JSON = Refusal(
    415,
    "content_type_unsupported",
    "Send the body as JSON, with the header Content-Type: application/json.",
)
INTERNAL_ERROR = Refusal(
    500,
    "internal_error",
    "Something broke on our side. Try again; if it stays, report the request_id.",
)
DATABASE_UNAVAILABLE = Unavailable(
    "database_unavailable",
    "The database does not answer at the moment. Send the same request again.",
)
STORE_UNAVAILABLE = Unavailable(
    "store_unavailable",
    "The object store does not answer at the moment. Send the same request again.",
)


def json_invalid(reason: str, position: int) -> Refusal:
    """The body is no JSON; `position` counts characters from 0."""
    return Refusal(400, "json_invalid", f"The body is not JSON: {reason} at character {position}.")


def body_of(
    refused: Refused, request_id: str, errors: list[FieldProblem] | None = None
) -> dict[str, Any]:
    """A problem as it goes over the wire."""
    body = ProblemBody(
        title=HTTPStatus(refused.status).phrase,
        status=refused.status,
        detail=refused.problem.message,
        code=refused.problem.code,
        param=refused.problem.param,
        request_id=request_id,
        errors=errors,
        validation_report=refused.validation_report if isinstance(refused, Refusal) else None,
    )
    optional = {name for name in ("errors", "validation_report") if getattr(body, name) is None}
    return body.model_dump(exclude=optional)


def answer(
    request: Request,
    refused: Refused,
    *,
    errors: list[FieldProblem] | None = None,
    **extra: Any,
) -> JSONResponse:
    """The response that tells a problem; `extra` are members beside those of `ProblemBody`."""
    return JSONResponse(
        body_of(refused, request.state.request_id, errors) | extra,
        refused.status,
        refused.headers if isinstance(refused, Refusal) else None,
        media_type=PROBLEM_JSON,
    )
