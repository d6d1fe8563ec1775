"""What an exception means: the owner's data, the service's fault, or a server that was away."""

import contextlib
import errno
import logging
import re
import signal
from pathlib import Path

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import InterfaceError, OperationalError

from core import logs
from core.problem import Problem
from worker.layouts import ReaderCrashed

log = logging.getLogger(__name__)

OUR_FAULT = "This is a fault of the service; its log has the details. Start the job again."
LOST = Problem(
    "worker_lost",
    "The workers that ran this were lost, again and again.",
    retryable=True,
    hint="The data may be too large for them: use fewer or smaller images, or larger workers.",
)
CGROUP = Path("/sys/fs/cgroup/memory.events")  # of a container
VMSTAT = Path("/proc/vmstat")

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
        where = "GPU memory" if "cuda" in str(error).lower() else "memory"
        return out_of_memory(f"The step ran out of {where}.")
    if is_disk_full(error):
        return Problem(
            "disk_full",
            "The disk of the worker is full.",
            retryable=True,
            hint="Start the job again later; if it stays so, tell the operator.",
        )
    log.error("step failed", exc_info=error)
    # Not the error's own text: it may name files of the machine, or of the dataset.
    places = logs.told(error)[0]["places"]
    at = f" at {places[-1]}" if places else ""
    return Problem(
        "step_failed",
        f"The step failed unexpectedly: {type(error).__name__}{at}.",
        retryable=True,
        hint=OUR_FAULT,
    )


def explain_death(returncode: int, *, oom_killed: bool) -> Problem:
    """Why a process ended without a word of its own.

    Args:
        returncode: as `subprocess` tells it: a signal is negative.
        oom_killed: whether the kernel killed a process for want of memory at that time.
    """
    if returncode == -signal.SIGKILL:
        if oom_killed:
            return out_of_memory("The machine ran out of memory, and the step was killed for it.")
        return Problem(
            "worker_killed",
            "The process that ran the step was killed from outside.",
            retryable=True,
            hint="Start the job again. If it happens again, the machine is most likely short of "
            "memory: use a smaller dataset, or a worker with more.",
        )
    how = f"with code {returncode}"
    if returncode < 0:
        how = f"by {signal.Signals(-returncode).name}"
    return Problem(
        "worker_crashed",
        f"The process that ran the step ended {how}.",
        retryable=True,
        hint=OUR_FAULT,
    )


def out_of_memory(message: str) -> Problem:
    return Problem(
        "out_of_memory",
        message,
        retryable=True,
        hint="Use fewer or smaller images, or a worker with more memory.",
    )


def oom_kills(cgroup: Path = CGROUP, machine: Path = VMSTAT) -> int:
    """How many processes the kernel has killed for want of memory, here or on the machine."""
    for path in (cgroup, machine):
        with contextlib.suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
            if found:
                return int(found[1])
    return 0
