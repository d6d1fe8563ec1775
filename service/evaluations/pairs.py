"""What an evaluation of a pair of datasets looks like, and how one is asked for."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictStr, model_validator

from core import tables
from core.choices import Untargeted
from core.job_options import (
    ClassName,
    EvaluationOptions,
    JobOptions,
    MetadataKey,
    MetadataValue,
    one_of,
)
from service.datasets import schemas as datasets
from service.evaluations.schemas import EXAMPLE, Evaluation
from service.jobs import schemas as jobs
from service.jobs.deadline import Deadline
from service.kit.pages import ListOf


class PairRequest(EvaluationOptions):
    """A clean dataset, the protected form of it, and what shall be tried."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra=one_of(
            {"protected_dataset_id": "string", "job_id": "null"},
            {"job_id": "string", "protected_dataset_id": "null"},
        ),
    )

    clean_dataset_id: StrictStr = Field(
        description="The original, `ready`. Its test images measure.", max_length=64
    )
    protected_dataset_id: StrictStr | None = Field(
        default=None,
        description="The same images in the same order, protected here or elsewhere, `ready`.",
        max_length=64,
    )
    job_id: StrictStr | None = Field(
        default=None,
        description="Or a job of the clean dataset that has succeeded: what it has protected.",
        max_length=64,
    )
    label_map: jobs.LabelMap | ClassName | None = Field(
        default=None,
        description="What each class was to be mistaken for, as for a job. With `job_id`, the "
        "job's is known.",
    )
    untargeted: Untargeted | None = Field(
        default=None, description="What was to become of classes that the map leaves out."
    )
    deadline: Deadline | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] = Field(
        default={}, description="Your own notes, returned as they are."
    )

    @model_validator(mode="after")
    def _one_protected(self) -> Self:
        if (self.protected_dataset_id is None) == (self.job_id is None):
            raise ValueError("give either protected_dataset_id or job_id")
        return self


class PairEvaluation(BaseModel):
    """The evaluation of a pair of datasets, from the queue to its result."""

    id: str = Field(description="Starts with `eval_`.")
    object: Literal["evaluation"] = "evaluation"
    status: jobs.Status = Field(description="As of a job.")
    progress: float = Field(description="From 0 to 1.")
    clean_dataset_id: str
    protected_dataset_id: str | None
    options: EvaluationOptions = Field(description="What is tried.")
    metadata: dict[str, str]
    deadline: datetime | None = Field(
        description="By when it must have ended, else it fails with `deadline_exceeded`."
    )
    result: Evaluation | None = Field(description="Once it has succeeded; null in lists.")
    error: datasets.Failure | None
    estimated_finish_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: tables.Job, result: dict[str, Any] | None = None) -> Self:
        """The public view of a row; `result` is its evaluation, if that was read."""
        options = JobOptions.model_validate(row.options)
        return cls.model_validate(
            {
                "id": row.id,
                "status": row.status,
                "progress": row.progress,
                "clean_dataset_id": row.dataset_id,
                "protected_dataset_id": row.compared_dataset_id,
                "options": options.evaluation,
                "metadata": options.metadata,
                "deadline": row.deadline_at,
                "result": result and {**result, "job_id": row.id},
                "error": row.error,
                "estimated_finish_at": row.estimated_finish_at,
                "created_at": row.created_at,
                "started_at": row.started_at,
                "finished_at": row.finished_at,
            }
        )


OTHER = "ds_01k9x4a1b3c5d7e9f2g4h6j8km"
REQUESTS = {
    "a pair": PairRequest(clean_dataset_id=datasets.READY.id, protected_dataset_id=OTHER),
    "a thorough one": PairRequest(
        clean_dataset_id=datasets.READY.id,
        job_id=jobs.SUCCEEDED.id,
        victims=[{"victim": "resnet-18", "epochs": 10}],
        seeds=[0, 1, 2],
        countermeasures=["jpeg-10", "grayscale", "adversarial-training"],
        controls=["class-patterns"],
    ),
}
DONE = PairEvaluation(
    id="eval_01k9x4c2d4e6f8g0h1j3k5m7np",
    status="succeeded",
    progress=1.0,
    clean_dataset_id=datasets.READY.id,
    protected_dataset_id=OTHER,
    options=EvaluationOptions(),
    metadata={},
    deadline=None,
    result=EXAMPLE.model_copy(update={"job_id": "eval_01k9x4c2d4e6f8g0h1j3k5m7np"}),
    error=None,
    estimated_finish_at=None,
    created_at=datetime.fromisoformat("2026-11-22T11:00:00Z"),
    started_at=datetime.fromisoformat("2026-11-22T11:00:01Z"),
    finished_at=datetime.fromisoformat("2026-11-22T11:01:12Z"),
)
WAITING = DONE.model_copy(
    update={
        "status": "queued",
        "progress": 0.0,
        "result": None,
        "started_at": None,
        "finished_at": None,
    }
)
CANCELLED = WAITING.model_copy(update={"status": "cancelled", "finished_at": DONE.finished_at})
PAGE = ListOf[PairEvaluation](data=[DONE.model_copy(update={"result": None})], has_more=False)
