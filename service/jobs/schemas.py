"""What a job looks like to its owner, and how one is asked for."""

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from core import tables
from core.epsilon import max_change
from core.job_options import (
    ClassName,
    EvaluationOptions,
    EvaluationVictim,
    JobOptions,
    ProtectedFraction,
    Seed,
)
from core.whole import WHOLE, Whole
from service.datasets import schemas as datasets
from service.jobs.deadline import Deadline
from service.kit.pages import ListOf

Status = Literal[
    "queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"
]
ClassRef = ClassName | Whole
LabelMap = dict[ClassName, ClassRef] | list[ClassRef]


class _Asked(BaseModel):
    """What every request for a job begins with."""

    dataset_id: StrictStr = Field(description="A dataset whose status is `ready`.", max_length=64)
    epsilon: StrictInt | StrictFloat | StrictStr = Field(
        description="The most a pixel may change, on a scale where 1 is the whole range: a number "
        'such as 0.3, or a fraction such as "8/255". From 1/255 to 1.'
    )
    label_map: LabelMap | ClassName | None = Field(
        default=None,
        description="What each class shall be mistaken for. Null: anything but itself. `shift`: "
        "class i for class i + 1, the last for the first. Or a list with another class for every "
        "class, in label order. Or an object that names another class for every class, and, if "
        "you say with `untargeted` what becomes of the rest, for some only. Classes go by name or "
        "by index.",
    )
    seed: Seed = Field(
        default=0,
        description="Decides every random choice of the training. How many steps fit into a "
        "budget depends on the machine, so another run may still differ; give `training_steps` "
        "for the same bytes.",
    )
    budget_seconds: Annotated[int, Field(strict=True, ge=1), WHOLE] | None = Field(
        default=None,
        description="How long the generator may train, in seconds. More protects more surely; "
        "the textures that colour images get by default are drawn and need none of it. Null: the "
        "server's default, unless there are `training_steps`.",
    )
    priority: Annotated[int, Field(strict=True, ge=-10, le=10), WHOLE] = Field(
        default=0,
        description="Your jobs of higher priority go first. It changes nothing between you and "
        "others.",
    )
    deadline: Deadline | None = None


class JobRequest(JobOptions, _Asked):
    """What shall be done to a dataset."""

    model_config = ConfigDict(extra="forbid")


class _Head(BaseModel):
    """What every job begins with."""

    id: str = Field(description="Starts with `job_`.")
    object: Literal["job"] = "job"
    kind: Literal["protection", "application", "images", "conversion"] = Field(
        default="protection",
        description="`protection` trains a generator; `application` protects a dataset with a "
        "trained one, `images` a few images; `conversion` writes what the job `parent_id` has "
        "protected in another layout. The last two are in no list.",
    )
    parent_id: str | None = Field(
        default=None,
        description="The job that a `conversion` is of, or the study that the job belongs to.",
    )
    generator_id: str | None = Field(
        default=None, description="The trained generator that is applied."
    )
    dataset_id: str
    status: Status = Field(
        description="`queued`, `running`, perhaps `pausing` and `paused`, or `cancelling`; final "
        "are `succeeded`, `failed` and `cancelled`."
    )
    phase: str | None = Field(
        description="What a running job does: `training`, `protecting`, `evaluating` or "
        "`converting`."
    )
    progress: float = Field(description="From 0 to 1.")
    epsilon: float = Field(description="The bound asked for; 1 is the whole pixel range.")
    max_change: int = Field(
        description="The most an 8-bit pixel may change: floor(255 * epsilon), in 1/255."
    )
    label_map: dict[str, str] | None = Field(
        description="What each class shall be mistaken for, by name; see `untargeted` for those "
        "that are not there."
    )
    seed: int
    priority: int = Field(description="Among your jobs, higher ones go first.")
    deadline: datetime | None = Field(
        default=None,
        description="By when it must have ended, else it fails with `deadline_exceeded`.",
    )
    budget_seconds: int | None = Field(
        description="Training time of the generator, in seconds; null if `training_steps` are set."
    )


class Job(JobOptions, _Head):
    """The protection of a dataset, from the queue to its results."""

    model_config = ConfigDict(extra="ignore")

    queue_position: int | None = Field(
        description="While it is `queued`, and asked for by itself: its place in the queue, 1 "
        "being the next; it may come sooner, since owners take turns. Null in lists."
    )
    estimated_finish_at: datetime | None = Field(description="While it runs; a guess.")
    metrics: dict[str, Any] = Field(
        description="What the running step measures, such as loss and accuracy in percent."
    )
    error: datasets.Failure | None = Field(description="Why the job failed.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    timestamps: dict[str, datetime] = Field(
        description="When it last entered each status and phase that it has been in, in order."
    )

    @classmethod
    def of(cls, row: tables.Job, queue_position: int | None = None) -> Self:
        """The public view of a row, whose dataset must be loaded."""
        epsilon = Fraction(row.epsilon)
        assert row.dataset.summary is not None, "only ready datasets have jobs"
        classes: list[str] = row.dataset.summary["classes"]
        options = JobOptions.model_validate(row.options)
        return cls.model_validate(
            {
                **options.model_dump(),
                "protected_fraction": _by_name(options.protected_fraction, classes),
                "id": row.id,
                "kind": row.kind,
                "generator_id": row.generator_id,
                "parent_id": row.parent_id,
                "dataset_id": row.dataset_id,
                "status": row.status,
                "phase": row.phase,
                "progress": row.progress,
                "epsilon": float(epsilon),
                "max_change": max_change(epsilon),
                "label_map": label_map_by_name(row.label_map, classes),
                "seed": row.seed,
                "priority": row.priority,
                "deadline": row.deadline_at,
                "budget_seconds": None if options.training_steps else row.budget_seconds,
                "estimated_finish_at": row.estimated_finish_at,
                "metrics": row.metrics,
                "error": row.error,
                "created_at": row.created_at,
                "started_at": row.started_at,
                "finished_at": row.finished_at,
                "queue_position": queue_position,
                "timestamps": _in_order({"queued": row.created_at.isoformat(), **row.timestamps}),
            }
        )


def _in_order(timestamps: dict[str, str]) -> dict[str, datetime]:
    entered = {name: datetime.fromisoformat(moment) for name, moment in timestamps.items()}
    return dict(sorted(entered.items(), key=lambda item: item[1]))


def label_map_by_name(label_map: list[int] | None, classes: list[str]) -> dict[str, str] | None:
    """Only the classes that another one was chosen for."""
    if label_map is None:
        return None
    return {
        name: classes[target]
        for name, target in zip(classes, label_map, strict=True)
        if name != classes[target]
    }


def _by_name(chosen: ProtectedFraction | None, classes: list[str]) -> ProtectedFraction | None:
    if chosen is None or chosen.classes is None:
        return chosen
    return ProtectedFraction(classes=[classes[int(index)] for index in chosen.classes])


REQUESTS = {
    "plain": JobRequest(dataset_id=datasets.READY.id, epsilon=0.3),
    "fraction": JobRequest(
        dataset_id=datasets.READY.id, epsilon="8/255", seed=7, budget_seconds=600
    ),
    "label map": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, label_map={"0": "1", "1": "0"}
    ),
    "one class, the others left alone": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, label_map={"0": "1"}, untargeted="leave"
    ),
    "the same bytes every time": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, seed=7, training_steps=400
    ),
    "a part of the images": JobRequest(
        dataset_id=datasets.READY.id,
        epsilon=0.3,
        protected_fraction=ProtectedFraction(fraction=0.8),
    ),
    "the paper's generator and victim": JobRequest(
        dataset_id=datasets.READY.id,
        epsilon=0.3,
        recipe="paper-mnist",
        victims=["paper-mnist-cnn", "small-strided"],
        training_steps=20_000,
    ),
    "a thorough evaluation": JobRequest(
        dataset_id=datasets.READY.id,
        epsilon=0.3,
        evaluation=EvaluationOptions(
            victims=[
                EvaluationVictim(victim="paper-mnist-cnn"),
                EvaluationVictim(victim="resnet-18", epochs=10),
            ],
            seeds=[0, 1, 2],
            countermeasures=["jpeg-10", "adversarial-training"],
            controls=["random-noise", "class-patterns"],
        ),
        metadata={"release": "2026-11"},
    ),
    "within the hour, or not at all": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, deadline=3600
    ),
}
RUNNING = Job(
    id="job_01k9x2w0c5e7h9k1m3p5r7t9vx",
    dataset_id=datasets.READY.id,
    status="running",
    phase="training",
    progress=0.31,
    epsilon=0.3,
    max_change=76,
    label_map=None,
    seed=0,
    priority=0,
    budget_seconds=100,
    estimated_finish_at=datetime.fromisoformat("2026-11-22T10:18:30Z"),
    metrics={"loss": 1.87, "victim_accuracy": 42.5},
    error=None,
    created_at=datetime.fromisoformat("2026-11-22T10:15:10Z"),
    started_at=datetime.fromisoformat("2026-11-22T10:15:11Z"),
    finished_at=None,
    queue_position=None,
    timestamps={
        "queued": datetime.fromisoformat("2026-11-22T10:15:10Z"),
        "running": datetime.fromisoformat("2026-11-22T10:15:11Z"),
        "training": datetime.fromisoformat("2026-11-22T10:15:11Z"),
    },
)
QUEUED = RUNNING.model_copy(
    update={
        "status": "queued",
        "phase": None,
        "progress": 0.0,
        "estimated_finish_at": None,
        "metrics": {},
        "started_at": None,
        "queue_position": 3,
        "timestamps": {"queued": RUNNING.created_at},
    }
)
CANCELLING = RUNNING.model_copy(update={"status": "cancelling"})
PAUSING = RUNNING.model_copy(update={"status": "pausing"})
SUCCEEDED = RUNNING.model_copy(
    update={
        "status": "succeeded",
        "phase": None,
        "progress": 1.0,
        "estimated_finish_at": None,
        "finished_at": datetime.fromisoformat("2026-11-22T10:18:21Z"),
    }
)
PAGE = ListOf[Job](data=[SUCCEEDED], has_more=False)
