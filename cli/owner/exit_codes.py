"""How a command of an owner ends, for scripts."""

from collections.abc import Mapping

from unlearnable import (
    ApiError,
    BadRequest,
    BadSource,
    Conflict,
    ConnectionFailed,
    DatasetRejected,
    JobCancelled,
    Misconfigured,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    ServerError,
    StoreRefused,
    UnlearnableError,
    WaitTimeout,
)

SUCCEEDED = 0
FAILED = 1
BAD_INPUT = 2
CANCELLED = 4
UNREACHABLE = 5
NOT_DEMONSTRATED = 6
NOT_DONE_YET = 7
INTERRUPTED = 130

MEANINGS = (
    "Ends with 0 if all went well, 1 if the job failed, 2 for bad input (also files that cannot be "
    "used, and whatever the API refuses), 4 if the job was cancelled, 5 if the API or the object "
    "store cannot be reached, 6 with --require-protection if protection is not demonstrated, 7 if "
    "--timeout ran out, 130 after Ctrl-C."
)

_BY_ERROR: Mapping[type[UnlearnableError], int] = {
    BadSource: BAD_INPUT,
    BadRequest: BAD_INPUT,
    Conflict: BAD_INPUT,
    DatasetRejected: BAD_INPUT,
    Misconfigured: BAD_INPUT,
    NotAllowed: BAD_INPUT,
    NotAuthenticated: BAD_INPUT,
    NotFound: BAD_INPUT,
    ConnectionFailed: UNREACHABLE,
    ServerError: UNREACHABLE,
    StoreRefused: UNREACHABLE,
    JobCancelled: CANCELLED,
    WaitTimeout: NOT_DONE_YET,
}


def code_of(error: UnlearnableError) -> int:
    """The exit code that tells an error."""
    if type(error) is ApiError:
        return BAD_INPUT
    return _BY_ERROR.get(type(error), FAILED)
