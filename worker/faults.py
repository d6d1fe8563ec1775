"""What an exception means: the owner's data, the service's fault, or a server that was away."""

import errno
import logging

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import InterfaceError, OperationalError

from core.problem import Problem
from worker.layouts import ReaderCrashed

log = logging.getLogger(__name__)

SERVER_ERRORS = 500
# Raised while the database cannot be reached; the work itself is sound.
DATABASE_AWAY = (OperationalError, InterfaceError)
STORE_AWAY = (BotoCoreError, ClientError, Boto3Error)


def is_disk_full(error: BaseException) -> bool:
    """Whether a file could not be written for want of room, or of a right to more of it."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def is_worth_another_try(error: BaseException) -> bool:
    """Whether the same step may well succeed on its next attempt."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= SERVER_ERRORS
    if isinstance(error, Boto3Error) and isinstance(cause, ClientError):
        return is_worth_another_try(cause)
    return is_disk_full(error) or isinstance(error, (*DATABASE_AWAY, *STORE_AWAY, ReaderCrashed))


def explain(error: BaseException) -> Problem:
    """The problem to put on the job or dataset. The details go to the log only."""
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return Problem(
            "out_of_memory",
            "The step ran out of memory. Use a smaller dataset, or a worker with more memory.",
            retryable=True,
        )
    if is_disk_full(error):
        return Problem(
            "disk_full",
            "The disk of the worker is full. Try again later; if it stays so, tell the operator.",
            retryable=True,
        )
    log.error("step failed", exc_info=error)
    # Not the error's own text: it may name files of the machine, or of the dataset.
    return Problem(
        "step_failed",
        f"The step failed unexpectedly ({type(error).__name__}). This is a fault of the service; "
        "its log has the details.",
        retryable=True,
    )
