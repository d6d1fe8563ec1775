"""What a generator looks like to its owner, and how it is used."""

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from core import tables
from core.epsilon import max_change
from core.job_options import (
    EvaluationOptions,
    MetadataKey,
    MetadataValue,
    ProtectedFraction,
    Seed,
)
from service.datasets import schemas as datasets
from service.jobs import schemas as jobs
from service.jobs.deadline import Deadline
from service.kit.pages import ListOf


class Weights(BaseModel):
    """A generator's weights as a safetensors file."""

    size_bytes: int
    sha256: str = Field(description="SHA-256 of the file, in hexadecimal.")
    url: str = Field(description="Download link; needs no key, so treat it like one.")
    expires_at: datetime = Field(description="When the link stops working. Ask again for another.")


class Generator(BaseModel):
    """A trained generator of perturbations. It is yours alone, and stays until you delete it."""

    id: str = Field(description="Starts with `gen_`.")
    object: Literal["generator"] = "generator"
    job_id: str = Field(description="The job that trained it.")
    architecture: str
    conditioning: Literal["none", "label"] = Field(
        description="`label`: it needs the class of every image, of the same classes."
    )
    epsilon: float = Field(description="Its bound; 1 is the whole pixel range.")
    max_change: int = Field(description="The most an 8-bit pixel may change, in 1/255.")
    label_map: dict[str, str] | None = Field(
        description="What each class shall be mistaken for, by name."
    )
    classes: list[str] = Field(description="Class names that it was trained on, in label order.")
    image_shape: list[int] = Field(
        description="Height, width and channels of those images. Others must have as many channels."
    )
    training_steps: int = Field(description="0 if it was drawn and not trained.")
    training_seconds: float
    weights: Weights
    created_at: datetime

    @classmethod
    def of(cls, row: tables.Generator, url: str, expires_at: datetime) -> Self:
        """The public view of a row, whose job and dataset must be loaded."""
        epsilon = Fraction(row.job.epsilon)
        assert row.job.dataset.summary is not None
        summary = row.job.dataset.summary
        return cls(
            id=row.id,
            job_id=row.job_id,
            architecture=row.training["plan"]["generator"],
            conditioning=row.training["plan"]["conditioning"],
            epsilon=float(epsilon),
            max_change=max_change(epsilon),
            label_map=jobs.label_map_by_name(row.job.label_map, summary["classes"]),
            classes=summary["classes"],
            image_shape=summary["image_shape"],
            training_steps=row.training["summary"]["steps"],
            training_seconds=row.training["seconds"],
            weights=Weights(
                size_bytes=row.size_bytes, sha256=row.sha256, url=url, expires_at=expires_at
            ),
            created_at=row.created_at,
        )


class ProtectRequest(BaseModel):
    """Which images to protect with a trained generator."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: StrictStr = Field(description="A dataset whose status is `ready`.", max_length=64)
    seed: Seed = Field(default=0, description="Decides which images a random fraction protects.")
    protected_fraction: ProtectedFraction | None = Field(
        default=None, description="Protect only a part. Null: every image."
    )
    evaluation: EvaluationOptions = Field(
        default=EvaluationOptions(), description="What is measured afterwards."
    )
    deadline: Deadline | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] = Field(
        default={}, description="Your own notes, returned as they are."
    )


REQUEST = ProtectRequest(dataset_id=datasets.READY.id)
EXAMPLE = Generator(
    id="gen_01k9x33k4m6n8p0q2r4s6t8v0w",
    job_id=jobs.SUCCEEDED.id,
    architecture="encoder-decoder",
    conditioning="label",
    epsilon=0.3,
    max_change=76,
    label_map=None,
    classes=datasets.READY.classes or [],
    image_shape=[28, 28, 1],
    training_steps=1840,
    training_seconds=100.2,
    weights=Weights(
        size_bytes=1873244,
        sha256="5c0d8a5b7e3a9d4c1b6e2f7089ab34cd56ef7812904a5b6c7d8e9f018f1c0f6f",
        url="https://files.example.org/unlearnable/tenants/...?X-Amz-Signature=...",
        expires_at=datetime.fromisoformat("2026-11-22T10:35:00Z"),
    ),
    created_at=datetime.fromisoformat("2026-11-22T10:18:21Z"),
)
PAGE = ListOf[Generator](data=[EXAMPLE], has_more=False)
