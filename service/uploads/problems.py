"""What can be wrong with a resumable upload."""

from core.problem import Refused
from service.kit.problems import Conflict, Refusal


def upload_not_found(param: str | None = None) -> Refused:
    return Refused(
        "upload_not_found",
        "There is no such upload. GET /v1/uploads lists yours.",
        param,
        status=404,
    )


def upload_closed(status: str) -> Conflict:
    return Conflict(
        "upload_closed", f"The upload is {status} and takes no more parts. Begin another one."
    )


def upload_completing() -> Conflict:
    return Conflict(
        "upload_completing",
        "Another request is completing the upload: the whole file is being read. Send the request "
        "again in a while, or GET the upload until its status is completed.",
        retry_after=5,
    )


def upload_used() -> Conflict:
    return Conflict(
        "upload_used",
        "The upload has become a dataset already. Delete that, or begin another upload.",
        "upload_id",
    )


def upload_not_completed(status: str) -> Conflict:
    return Conflict(
        "upload_not_completed",
        f"The upload is {status}. Send its parts, complete it, and name it then.",
        "upload_id",
    )


def part_size_invalid(least: int) -> Refusal:
    return Refusal(
        422,
        "part_size_invalid",
        f"Parts of this file must have at least {least:,} bytes: an upload has at most 1,000.",
        "part_size_bytes",
    )


def part_unknown(number: int, count: int) -> Refusal:
    return Refusal(
        422,
        "part_unknown",
        f"There is no part {number}: this upload has the parts 1 to {count}.",
        "parts",
    )


def parts_missing(numbers: list[int], count: int) -> Conflict:
    first = ", ".join(map(str, numbers[:20])) + (", ..." if len(numbers) > 20 else "")
    return Conflict(
        "parts_missing",
        f"{len(numbers)} of {count} parts are missing or have another size: {first}. Send them, "
        "and complete the upload then.",
        "parts",
    )


def checksum_mismatch() -> Refusal:
    return Refusal(
        422,
        "upload_checksum_mismatch",
        "The file that arrived has another SHA-256 than was announced. It is deleted: begin "
        "another upload.",
        "sha256",
    )
