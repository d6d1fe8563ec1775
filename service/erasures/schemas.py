"""What an erasure looks like to its owner."""

from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from core import tables
from service.datasets import schemas as datasets
from service.jobs import schemas as jobs
from service.kit.pages import ListOf


class ErasedFile(BaseModel):
    """A file whose SHA-256 was known."""

    kind: str = Field(description="`original`, or the kind of artifact that it was.")
    job_id: str | None = Field(description="The job that made it; null for the original.")
    size_bytes: int = Field(description="Its size.")
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal.")


class Erasure(BaseModel):
    """The receipt of an erasure. It stays, and holds nothing of the data."""

    id: str = Field(description="Starts with `era_`.")
    object: Literal["erasure"] = "erasure"
    dataset_id: str = Field(description="The dataset that was erased.")
    status: Literal["pending", "completed"] = Field(
        description="`pending` until no worker can write any more and everything is deleted, then "
        "`completed`."
    )
    job_ids: list[str] = Field(description="Jobs and evaluations whose files are erased too.")
    objects: int | None = Field(
        description="How many objects the store held of all of them; null until counted."
    )
    size_bytes: int | None = Field(description="Bytes of those objects; null until counted.")
    files: list[ErasedFile] = Field(
        description="Those of which the SHA-256 was known, also if they had been deleted before. "
        "Decoded pixels, checkpoints and parts are in the counts only."
    )
    created_at: datetime = Field(description="When it was asked for.")
    completed_at: datetime | None = Field(description="When nothing was left.")

    @classmethod
    def of(cls, row: tables.Erasure) -> Self:
        """The public view of a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "dataset_id": row.dataset_id,
                "status": "completed" if row.completed_at else "pending",
                "job_ids": row.job_ids,
                "objects": row.objects,
                "size_bytes": row.size_bytes,
                "files": row.files,
                "created_at": row.created_at,
                "completed_at": row.completed_at,
            }
        )


PENDING = Erasure(
    id="era_01k9x8d0f2h4k6m8p0r2t4w6y8",
    dataset_id=datasets.READY.id,
    status="pending",
    job_ids=[jobs.SUCCEEDED.id],
    objects=None,
    size_bytes=None,
    files=[
        ErasedFile(
            kind="original",
            job_id=None,
            size_bytes=datasets.READY.size_bytes,
            sha256=datasets.READY.sha256,
        ),
        ErasedFile(
            kind="protected_dataset",
            job_id=jobs.SUCCEEDED.id,
            size_bytes=6120044,
            sha256="3b7e0c5a9d2f4681b0c3d5e7f9a1b2c4d6e8f0a1b3c5d7e9f1a2b4c6d8e0f2a4",
        ),
    ],
    created_at=datetime.fromisoformat("2026-11-23T09:00:00Z"),
    completed_at=None,
)
COMPLETED = PENDING.model_copy(
    update={
        "status": "completed",
        "objects": 14,
        "size_bytes": 61200440,
        "completed_at": datetime.fromisoformat("2026-11-23T09:00:36Z"),
    }
)
PAGE = ListOf[Erasure](data=[COMPLETED], has_more=False)
