"""Which failures are worth another attempt, and what their owner is told."""

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, EndpointConnectionError
from sqlalchemy.exc import OperationalError, ProgrammingError

from worker.faults import explain, is_worth_another_try
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


def test_owners_are_told_no_paths() -> None:
    problem = explain(FileNotFoundError("/srv/secret/cat-7.png"))
    assert problem.code == "step_failed"
    assert "/srv" not in problem.message
    assert explain(RuntimeError("CUDA out of memory. Tried ...")).code == "out_of_memory"
