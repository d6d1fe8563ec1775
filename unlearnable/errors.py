"""What can go wrong, each as a class of its own under `UnlearnableError`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlearnable.models import Dataset, Job, PairEvaluation, Study, ValidationReport


class UnlearnableError(Exception):
    """Anything that this package raises. The message is written for people."""


class Misconfigured(UnlearnableError):
    """No key or address was given, or one that cannot be used."""


class BadSource(UnlearnableError):
    """What shall be uploaded cannot be read, or holds no file."""


class ConnectionFailed(UnlearnableError):
    """The API or the object store does not answer, also after trying again."""


class UnexpectedAnswer(UnlearnableError):
    """Whoever answered is not this API, or one that this version does not know."""


class WaitTimeout(UnlearnableError):
    """It was not done in the time given to `wait`. It goes on; wait again with its id."""


class ChecksumMismatch(UnlearnableError):
    """A download has other bytes than the API announced. Nothing was written."""


class StoreRefused(UnlearnableError):
    """The object store took no part of an upload, or gave no file."""


@dataclass(frozen=True)
class FieldError:
    """One field of a request that cannot be used."""

    code: str
    param: str | None
    detail: str


class ApiError(UnlearnableError):
    """The API refused.

    Attributes:
        status: the HTTP status.
        code: what happened, as a word that never changes.
        detail: what happened and what to do next.
        param: the field, or the file of an upload, that is at fault.
        hint: what to try, where `detail` does not say it.
        request_id: name it when you ask for help.
        errors: every field at fault, when fields are.
        validation_report: every file at fault, when files of an upload are.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        param: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
        errors: Sequence[FieldError] = (),
        validation_report: ValidationReport | None = None,
        retry_after: float | None = None,
    ) -> None:
        told = " ".join(filter(None, (detail, hint)))
        super().__init__(f"{told} ({code}, request {request_id})" if request_id else told)
        self.status = status
        self.code = code
        self.detail = detail
        self.param = param
        self.hint = hint
        self.request_id = request_id
        self.errors = tuple(errors)
        self.validation_report = validation_report
        self.retry_after = retry_after


class BadRequest(ApiError):
    """400, 413, 415 or 422: the request itself is at fault."""


class NotAuthenticated(ApiError):
    """401: the key is missing, wrong, expired or revoked."""


class NotAllowed(ApiError):
    """403: the key may not do this."""


class NotFound(ApiError):
    """404: it is not there, or not yours."""


class Conflict(ApiError):
    """409: its state does not allow it."""


class RateLimited(ApiError):
    """429: too much at once, also after waiting and trying again."""


class ServerError(ApiError):
    """5xx: something broke on the other side, also after trying again."""


class DatasetRejected(UnlearnableError):
    """Files of an upload cannot be used; `dataset.validation_report` names all."""

    def __init__(self, dataset: Dataset) -> None:
        reason = dataset.error.told if dataset.error else "no reason was given."
        super().__init__(f"The dataset was {dataset.status}: {reason}")
        self.dataset = dataset


class JobFailed(UnlearnableError):
    """A job, an evaluation or a study has failed; `job.error` says why."""

    def __init__(self, job: Job | PairEvaluation | Study) -> None:
        reason = job.error.told if job.error else "no reason was given."
        super().__init__(f"{job.id} has {job.status}: {reason}")
        self.job = job


class JobCancelled(UnlearnableError):
    """A job, an evaluation or a study was cancelled."""

    def __init__(self, job: Job | PairEvaluation | Study) -> None:
        super().__init__(f"{job.id} was cancelled.")
        self.job = job


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    422: BadRequest,
    429: RateLimited,
}


def error_of(status: int, problem: Any, retry_after: float | None) -> ApiError:
    """The exception for an answer.

    Args:
        problem: the decoded body; anything that is no problem document is told by its status.
    """
    from unlearnable.decoding import decode
    from unlearnable.models import ValidationReport

    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    if not isinstance(problem, dict) or "code" not in problem:
        problem = {"code": f"http_{status}", "detail": f"The answer was {status}."}
    report = problem.get("validation_report")
    return kind(
        status,
        str(problem["code"]),
        str(problem.get("detail", "")),
        param=problem.get("param"),
        hint=problem.get("hint"),
        request_id=problem.get("request_id"),
        errors=[decode(FieldError, one) for one in problem.get("errors") or ()],
        validation_report=None if report is None else decode(ValidationReport, report),
        retry_after=retry_after,
    )
