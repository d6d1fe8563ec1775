"""What a study looks like, and how one is asked for."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from core import studies, tables
from core.choices import Conditioning, Recipe
from core.epsilon import max_change
from core.job_options import EvaluationOptions, JobOptions, MetadataKey, MetadataValue, Seed
from core.studies import StudyPoint, as_number, options_of
from core.whole import WHOLE
from service.datasets import schemas as datasets
from service.jobs import schemas as jobs
from service.kit.pages import ListOf

Share = Annotated[float, Field(strict=True, gt=0, le=1)]


class StudyRequest(BaseModel):
    """Which bounds and which shares of the images, and how each of them is protected."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: StrictStr = Field(description="A dataset whose status is `ready`.", max_length=64)
    epsilons: list[StrictInt | StrictFloat | StrictStr] = Field(
        min_length=1,
        max_length=studies.MAX_POINTS,
        description="Bounds, as of a job. For each a generator is trained.",
    )
    fractions: list[Share] = Field(
        default=[1.0],
        min_length=1,
        max_length=studies.MAX_POINTS,
        description="Shares of the images that are protected, each with the generator of each "
        f"epsilon. At most {studies.MAX_POINTS} points in all.",
    )
    by: Literal["random", "class"] = Field(
        default="random", description="Whether a share is of random images or of whole classes."
    )
    recipe: Recipe = Field(default="auto", description="How the generators are trained.")
    conditioning: Conditioning | None = Field(
        default=None, description="Whether they are told each image's class; null: the recipe's."
    )
    seed: Seed = Field(default=0, description="Of every job.")
    budget_seconds: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = Field(
        default=None, description="How long each generator may train. Null: the default."
    )
    training_steps: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = Field(
        default=None, description="Or how many steps each is trained for."
    )
    evaluation: EvaluationOptions = Field(
        default=EvaluationOptions(),
        description="What is measured at every point; what is learned from the clean images is "
        "measured once.",
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] = Field(
        default={}, description="Your own notes, returned as they are, also on the jobs."
    )


class Point(BaseModel):
    """One epsilon and one share of the images. Accuracies are in percent, null before they are."""

    epsilon: float
    max_change: int = Field(description="The most an 8-bit pixel may change, in 1/255.")
    fraction: float = Field(description="Share of the images that are protected.")
    job_id: str | None = Field(description="The job that measures it; null before it is queued.")
    status: str = Field(
        description="As of the job; `waiting` until the generator of its epsilon is trained."
    )
    baseline_accuracy: float | None = Field(
        description="Clean-test accuracy of classifiers trained on the original."
    )
    protected_accuracy: float | None = Field(
        description="Of the same trained on the protected dataset: the mean over the seeds."
    )
    protected_accuracies: list[float] | None = Field(description="One a seed.")
    remainder_accuracy: float | None = Field(
        description="Of the same trained on the unprotected images only."
    )
    worst_accuracy: float | None = Field(
        description="Of the learner who got most out of the protected dataset."
    )
    worst_learner: str | None
    linf: int | None = Field(description="Largest change of any pixel, in 1/255.")
    psnr_db: float | None

    @classmethod
    def of(cls, point: StudyPoint) -> Self:
        """The public view of a point, whose job's evaluation must be loaded."""
        evaluation: dict[str, Any] = (point.job.evaluation if point.job else None) or {}
        measured = point.measured()
        left = measured.get("remainder")
        return cls(
            epsilon=as_number(point.epsilon),
            max_change=max_change(Fraction(point.epsilon)),
            fraction=point.fraction,
            job_id=point.job.id if point.job else None,
            status=point.status,
            protected_accuracies=measured.get("protected"),
            remainder_accuracy=sum(left) / len(left) if left else None,
            **{
                name: evaluation.get(name)
                for name in (
                    "baseline_accuracy",
                    "protected_accuracy",
                    "worst_accuracy",
                    "worst_learner",
                    "linf",
                    "psnr_db",
                )
            },
        )


class Study(BaseModel):
    """Accuracy against the bound, or against the protected share, from the queue to the curve."""

    id: str = Field(description="Starts with `study_`.")
    object: Literal["study"] = "study"
    dataset_id: str
    status: Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"] = Field(
        description="It has succeeded once every point has ended and one of them has a result."
    )
    progress: float = Field(description="From 0 to 1.")
    by: Literal["random", "class"]
    points: list[Point] | None = Field(
        description="The table, by epsilon and share; it fills while the study runs. Null in lists."
    )
    metadata: dict[str, str]
    error: datasets.Failure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: tables.Job, points: Sequence[StudyPoint] | None = None) -> Self:
        """The public view of a row."""
        options = options_of(row)
        return cls.model_validate(
            {
                "id": row.id,
                "dataset_id": row.dataset_id,
                "status": row.status,
                "progress": row.progress,
                "by": options.by,
                "points": None if points is None else [Point.of(point) for point in points],
                "metadata": options.metadata,
                "error": row.error,
                "created_at": row.created_at,
                "started_at": row.started_at,
                "finished_at": row.finished_at,
            }
        )


def common_options(asked: StudyRequest) -> JobOptions:
    """What all jobs of a study have in common."""
    names = JobOptions.model_fields.keys() & StudyRequest.model_fields.keys() - {"metadata"}
    return JobOptions(**{name: getattr(asked, name) for name in names})


REQUESTS = {
    "accuracy against epsilon": StudyRequest(
        dataset_id=datasets.READY.id, epsilons=["4/255", "8/255", "16/255"]
    ),
    "accuracy against the protected share": StudyRequest(
        dataset_id=datasets.READY.id,
        epsilons=["8/255"],
        fractions=[0.2, 0.5, 0.8, 1.0],
        evaluation=EvaluationOptions(seeds=[0, 1, 2]),
    ),
}
DONE = Study(
    id="study_01k9x5a2b4c6d8e0f2g4h6j8k0",
    dataset_id=datasets.READY.id,
    status="succeeded",
    progress=1.0,
    by="random",
    points=[
        Point(
            epsilon=epsilon,
            max_change=change,
            fraction=1.0,
            job_id=jobs.SUCCEEDED.id,
            status="succeeded",
            baseline_accuracy=99.1,
            protected_accuracy=accuracy,
            protected_accuracies=[accuracy],
            remainder_accuracy=None,
            worst_accuracy=accuracy,
            worst_learner="paper-mnist-cnn",
            linf=change,
            psnr_db=psnr,
        )
        for epsilon, change, accuracy, psnr in (
            (0.1, 25, 94.7, 24.1),
            (0.2, 51, 41.0, 17.9),
            (0.3, 76, 3.5, 14.6),
        )
    ],
    metadata={},
    error=None,
    created_at=datetime.fromisoformat("2026-11-22T12:00:00Z"),
    started_at=datetime.fromisoformat("2026-11-22T12:00:01Z"),
    finished_at=datetime.fromisoformat("2026-11-22T12:09:40Z"),
)
_UNKNOWN = (
    "baseline_accuracy",
    "protected_accuracy",
    "protected_accuracies",
    "worst_accuracy",
    "worst_learner",
    "linf",
    "psnr_db",
)
QUEUED = DONE.model_copy(
    update={
        "status": "queued",
        "progress": 0.0,
        "points": [
            point.model_copy(update={"status": "queued", **dict.fromkeys(_UNKNOWN)})
            for point in DONE.points or []
        ],
        "started_at": None,
        "finished_at": None,
    }
)
CANCELLED = QUEUED.model_copy(update={"status": "cancelled", "finished_at": DONE.finished_at})
PAGE = ListOf[Study](data=[DONE.model_copy(update={"points": None})], has_more=False)
