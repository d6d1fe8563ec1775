"""What a dataset looks like to its owner."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core import tables
from core.whole import WHOLE
from service.kit.pages import ListOf
from service.kit.problems import BadFile, ValidationReport
from service.kit.text import Name

LONGEST_RETENTION = 100 * 365 * 24 * 3600
Status = Literal["validating", "ready", "rejected", "deleted"]


class Failure(BaseModel):
    """Why a dataset was rejected or a job failed."""

    code: str = Field(description="What happened, as a word that never changes.")
    message: str = Field(description="What happened and what to do next.")
    hint: str | None = Field(
        default=None, description="What to try, where the message does not say it."
    )
    param: str | None = Field(description="The field or the member of the upload at fault.")
    retryable: bool = Field(description="Whether the same again may succeed.")


class FromUpload(BaseModel):
    """A dataset that has been uploaded in parts."""

    model_config = ConfigDict(extra="forbid")

    upload_id: str = Field(max_length=64, description="A completed upload, see `/v1/uploads`.")
    name: Name | None = Field(
        default=None, min_length=1, max_length=200, description="A name; else that of the upload."
    )


class DatasetChange(BaseModel):
    """What may be changed of a dataset; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    retention_seconds: (
        Annotated[int, Field(strict=True, ge=60, le=LONGEST_RETENTION), WHOLE] | None
    ) = Field(
        default=None,
        description="Delete the original so long after its validation, or at once if that time "
        "is over; never while a job works on it. What jobs made stays. Null: keep it as long "
        "as the server keeps any.",
    )


class Dataset(BaseModel):
    """A labelled image dataset. What validation finds out is null until the dataset is ready."""

    id: str = Field(description="Starts with `ds_`.")
    object: Literal["dataset"] = "dataset"
    name: str = Field(description="The name given at upload, or that of the file.")
    status: Status = Field(description="`validating`, then `ready` or `rejected`.")
    layout: str | None = Field(
        description="`image_folder`, `npz`, `mnist_idx`, `cifar10_binary` or `parquet`."
    )
    classes: list[str] | None = Field(description="Class names in label order: label 0 first.")
    counts: dict[str, dict[str, int]] | None = Field(
        description="Images of each class, by split and class name."
    )
    image_shape: list[int] | None = Field(description="Height, width and channels, in pixels.")
    test_split: str | None = Field(
        description="Where the test images come from: `given` with the upload, or `cut` from it."
    )
    notes: list[str] | None = Field(description="What validation did that you should know.")
    size_bytes: int = Field(description="Size of the uploaded file.")
    sha256: str = Field(description="SHA-256 of the uploaded file, in hexadecimal.")
    error: Failure | None = Field(
        description="Why the dataset was rejected: the first file at fault, and how many more."
    )
    validation_report: ValidationReport | None = Field(
        description="Every file at fault, when validation has ended."
    )
    retention_seconds: int | None = Field(
        description="The original is deleted so long after `ready_at`; null: you have not said."
    )
    expires_at: datetime | None = Field(
        description="From when on it is deleted as you said; null: you have not, or it is not "
        "ready."
    )
    created_at: datetime
    ready_at: datetime | None

    @classmethod
    def of(cls, row: tables.Dataset) -> Self:
        """The public view of a row."""
        summary = row.summary or {}
        return cls.model_validate(
            {
                "layout": summary.get("layout"),
                "classes": summary.get("classes"),
                "counts": summary.get("counts"),
                "image_shape": summary.get("image_shape"),
                "test_split": summary.get("test_split"),
                "notes": summary.get("notes"),
                "id": row.id,
                "name": row.name,
                "status": row.status,
                "size_bytes": row.size_bytes,
                "sha256": row.sha256,
                "error": row.error,
                "validation_report": _report_of(row),
                "retention_seconds": row.retention_seconds,
                "expires_at": _end_of(row),
                "created_at": row.created_at,
                "ready_at": row.ready_at,
            }
        )


def _end_of(row: tables.Dataset) -> datetime | None:
    if row.ready_at is None or row.retention_seconds is None:
        return None
    return row.ready_at + timedelta(seconds=row.retention_seconds)


def _report_of(row: tables.Dataset) -> dict[str, Any] | None:
    if row.ready_at is not None:
        return {"total": 0, "files": []}
    report: dict[str, Any] | None = (row.error or {}).get("report")
    return report


READY = Dataset(
    id="ds_01k9x2v7q3m8c4r6t5w0ye1hzn",
    name="digits",
    status="ready",
    layout="npz",
    classes=["0", "1"],
    counts={"train": {"0": 5923, "1": 6742}, "test": {"0": 980, "1": 1135}},
    image_shape=[28, 28, 1],
    test_split="given",
    notes=[],
    size_bytes=4211870,
    sha256="8f1c0f6f2c0d8a5b7e3a9d4c1b6e2f7089ab34cd56ef7812904a5b6c7d8e9f01",
    error=None,
    validation_report=ValidationReport(total=0, files=[]),
    retention_seconds=None,
    expires_at=None,
    created_at=datetime.fromisoformat("2026-11-22T10:15:00Z"),
    ready_at=datetime.fromisoformat("2026-11-22T10:15:03Z"),
)
VALIDATING = READY.model_copy(
    update={
        "status": "validating",
        "ready_at": None,
        "validation_report": None,
        **dict.fromkeys(("layout", "classes", "counts", "image_shape", "test_split", "notes")),
    }
)
CHANGE = DatasetChange(retention_seconds=7 * 24 * 3600)
CHANGED = READY.model_copy(
    update={
        "retention_seconds": 7 * 24 * 3600,
        "expires_at": datetime.fromisoformat("2026-11-29T10:15:03Z"),
    }
)
BAD_FILES = ValidationReport(
    total=2,
    files=[
        BadFile(
            file="train/cat/0017.png",
            code="image_truncated",
            message="The PNG is cut short. Export or download it again.",
        ),
        BadFile(
            file="train/notes.txt",
            code="not_an_image",
            message="The file is no image. Remove it from the archive, or convert it to PNG, JPEG "
            "or WebP.",
        ),
    ],
)
PAGE = ListOf[Dataset](data=[READY], has_more=False)
