"""What can be wrong with an upload or with what is asked of a dataset."""

from typing import Any

from core import quotas
from core.problem import Refused
from core.settings import MIB
from service.kit.problems import Conflict, Refusal, Unavailable, ValidationReport

FILE = "file"
FIELDS_TAKEN = "This form takes the fields file (the dataset) and name (optional)."


def dataset_not_found(param: str | None = None) -> Refused:
    return Refused(
        "dataset_not_found",
        "There is no such dataset. GET /v1/datasets lists yours.",
        param,
        status=404,
    )


def rejected(error: dict[str, Any]) -> Refusal:
    """The verdict of a worker, as it is stored with the dataset."""
    report = error.get("report")
    return Refusal(
        422,
        error["code"],
        error["message"],
        error["param"],
        validation_report=ValidationReport.model_validate(report) if report else None,
    )


def verdict(error: dict[str, Any]) -> Refused:
    """The problem that a worker has stored: the owner's, or one that may pass."""
    if error["code"] == quotas.CODE:
        return Refused(error["code"], error["message"], error["param"], status=403)
    if error["retryable"]:
        return Unavailable(error["code"], error["message"])
    return rejected(error)


def contact_sheet_missing() -> Refused:
    return Refused(
        "contact_sheet_missing",
        "The dataset has no contact sheet: it is drawn when validation finds nothing wrong.",
        status=404,
    )


def dataset_validating() -> Conflict:
    return Conflict(
        "dataset_validating",
        "The dataset is still being validated; delete it afterwards.",
        retry_after=2,
    )


def dataset_in_use() -> Conflict:
    return Conflict(
        "dataset_in_use",
        "A job of this dataset has not ended. Cancel it, or wait, and delete the dataset then.",
    )


def form_expected() -> Refusal:
    return Refusal(
        415,
        "content_type_unsupported",
        "Send the dataset as multipart/form-data with the field file: curl -F file=@photos.zip",
    )


def form_malformed(reason: str = "it ends before its closing boundary") -> Refusal:
    return Refusal(
        400,
        "form_malformed",
        f"The multipart form cannot be read: {reason}. Let an HTTP library or curl -F build it.",
    )


def upload_interrupted() -> Refusal:
    return Refusal(
        400, "upload_interrupted", "The connection ended before the upload did. Send it again."
    )


def upload_too_large(limit: int, param: str = FILE) -> Refusal:
    return Refusal(
        413,
        "upload_too_large",
        f"The file is larger than {limit / MIB:,.0f} MiB, the most one dataset may have. Split the "
        "dataset, or scale its images down.",
        param,
    )


def upload_empty() -> Refusal:
    return Refusal(422, "upload_empty", "The file has no content. Send a zip or npz file.", FILE)


def file_missing() -> Refusal:
    return Refusal(
        422, "file_missing", "The form has no file: send it as curl -F file=@photos.zip", FILE
    )


def file_repeated() -> Refusal:
    return Refusal(
        422, "file_repeated", "The form has two files. Send one file for one dataset.", FILE
    )


def field_unknown(name: str) -> Refusal:
    return Refusal(422, "field_unknown", f"{name}: unknown field. {FIELDS_TAKEN}", name)


def name_invalid() -> Refusal:
    return Refusal(
        422, "field_invalid", "name: send at most 200 characters of UTF-8, once.", "name"
    )


def uploads_busy() -> Unavailable:
    return Unavailable(
        "uploads_busy", "This server takes as many uploads as it can. Try again in a few seconds."
    )
