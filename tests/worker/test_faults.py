"""Which failures are worth another attempt, and what their owner is told."""

import signal
from pathlib import Path

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError
from sqlalchemy.exc import OperationalError, ProgrammingError

from worker.faults import LOST, explain, explain_death, is_worth_another_try, oom_kills
from worker.layouts import ReaderCrashed


def answer(status: int) -> ClientError:
    return ClientError({"ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")  # type: ignore[typeddict-item]


def failed_upload(cause: Exception) -> S3UploadFailedError:
    error = S3UploadFailedError("upload failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OperationalError("select", {}, Exception("gone")), True),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), True),
        (answer(503), True),
        (failed_upload(answer(500)), True),
        (ReaderCrashed("?"), True),
        (answer(403), False),
        (failed_upload(answer(404)), False),
        (ProgrammingError("select", {}, Exception("syntax")), False),
        (ValueError("a bug"), False),
        (MemoryError(), False),
    ],
)
def test_is_worth_another_try(error: Exception, expected: bool) -> None:
    assert is_worth_another_try(error) is expected


def raised(error: Exception) -> Exception:
    """The error as it comes out of code that ran."""
    try:
        raise error
    except type(error) as caught:
        return caught


def test_owners_are_told_where_and_no_data() -> None:
    problem = explain(raised(FileNotFoundError("/srv/secret/cat-7.png")))
    assert (problem.code, problem.retryable) == ("step_failed", True)
    assert "FileNotFoundError at tests/worker/test_faults.py:" in problem.message
    assert "/srv" not in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "The step ran out of memory."),
        (RuntimeError("CUDA out of memory. Tried ..."), "The step ran out of GPU memory."),
        (RuntimeError("DefaultCPUAllocator: can't allocate: out of memory"), "ran out of memory."),
    ],
)
def test_memory_that_ran_out_is_said_so(error: Exception, message: str) -> None:
    problem = explain(raised(error))
    assert (problem.code, problem.retryable) == ("out_of_memory", True)
    assert message in problem.message
    assert "smaller" in str(problem.hint)


@pytest.mark.parametrize(
    ("returncode", "oom_killed", "code", "message"),
    [
        (-signal.SIGKILL, True, "out_of_memory", "ran out of memory"),
        (-signal.SIGKILL, False, "worker_killed", "killed from outside"),
        (-signal.SIGSEGV, False, "worker_crashed", "SIGSEGV"),
        (3, True, "worker_crashed", "code 3"),
    ],
)
def test_a_death_is_explained(returncode: int, oom_killed: bool, code: str, message: str) -> None:
    problem = explain_death(returncode, oom_killed=oom_killed)
    assert (problem.code, problem.retryable) == (code, True)
    assert message in problem.message
    assert problem.hint


def test_who_was_lost_is_told_what_to_try() -> None:
    assert (LOST.code, LOST.retryable) == ("worker_lost", True)
    assert LOST.hint


def test_kills_for_memory_are_counted_in_the_container_or_else_on_the_machine(
    tmp_path: Path,
) -> None:
    cgroup, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    assert oom_kills(cgroup, machine) == 0
    machine.write_text("pgfault 7\noom_kill 5\n")
    assert oom_kills(cgroup, machine) == 5
    cgroup.write_text("oom 3\noom_kill 2\noom_group_kill 0\n")
    assert oom_kills(cgroup, machine) == 2
