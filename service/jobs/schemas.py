"""What a job looks like to its owner, and how one is asked for."""

from datetime import datetime
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from core import tables
from core.epsilon import max_change
from service.datasets import schemas as datasets
from service.kit.pages import ListOf

Status = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
ClassRef = StrictStr | StrictInt
LabelMap = dict[str, ClassRef]
MAX_STEPS = 1_000_000


class JobRequest(BaseModel):
    """What shall be done to a dataset."""

    model_config = ConfigDict(extra="forbid")

    dataset_id: StrictStr = Field(description="A dataset whose status is `ready`.", max_length=64)
    epsilon: StrictInt | StrictFloat | StrictStr = Field(
        description="The most a pixel may change, on a scale where 1 is the whole range: a number "
        'such as 0.3, or a fraction such as "8/255". From 1/255 to 1.'
    )
    label_map: LabelMap | StrictStr | None = Field(
        default=None,
        description="What each class shall be mistaken for. Null: anything but itself. `shift`: "
        "class i for class i + 1, the last for the first. Or an object that names another class "
        "for every class, both by name or by index.",
    )
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = Field(
        default=0,
        description="Decides every random choice of the training. How many steps fit into the "
        "budget depends on the machine, so another run may still differ; `training_steps` says it.",
    )
    budget_seconds: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None,
        description="How long the generator may train, in seconds. More protects more surely. "
        "Left out: the server's default.",
    )
    training_steps: Annotated[int, Field(strict=True, ge=1, le=MAX_STEPS)] | None = Field(
        default=None,
        description="Train for exactly so many steps, however long they take, and not for "
        "`budget_seconds`: with the same seed the same result, on the same kind of machine.",
    )


class Job(BaseModel):
    """The protection of a dataset, from the queue to its results."""

    id: str = Field(description="Starts with `job_`.")
    object: Literal["job"] = "job"
    dataset_id: str
    status: Status = Field(
        description="`queued`, `running`, perhaps `cancelling`; final are `succeeded`, `failed` "
        "and `cancelled`."
    )
    phase: str | None = Field(
        description="What a running job does: `training`, `protecting` or `evaluating`."
    )
    progress: float = Field(description="From 0 to 1.")
    epsilon: float = Field(description="The bound asked for; 1 is the whole pixel range.")
    max_change: int = Field(
        description="The most an 8-bit pixel may change: floor(255 * epsilon), in 1/255."
    )
    label_map: dict[str, str] | None = Field(
        description="What each class shall be mistaken for, by name."
    )
    seed: int
    budget_seconds: int = Field(description="Training time of the generator, in seconds.")
    training_steps: int | None = Field(
        description="Steps of the training, where the owner fixed them; the budget is then void."
    )
    estimated_finish_at: datetime | None = Field(description="While it runs; a guess.")
    metrics: dict[str, Any] = Field(
        description="What the running step measures, such as loss and accuracy in percent."
    )
    error: datasets.Failure | None = Field(description="Why the job failed.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: tables.Job) -> Self:
        """The public view of a row, whose dataset must be loaded."""
        epsilon = Fraction(row.epsilon)
        assert row.dataset.summary is not None, "only ready datasets have jobs"
        classes: list[str] = row.dataset.summary["classes"]
        return cls.model_validate(
            {
                "id": row.id,
                "dataset_id": row.dataset_id,
                "status": row.status,
                "phase": row.phase,
                "progress": row.progress,
                "epsilon": float(epsilon),
                "max_change": max_change(epsilon),
                "label_map": row.label_map
                and {
                    name: classes[target]
                    for name, target in zip(classes, row.label_map, strict=True)
                },
                "seed": row.seed,
                "budget_seconds": row.budget_seconds,
                "training_steps": row.training_steps,
                "estimated_finish_at": row.estimated_finish_at,
                "metrics": row.metrics,
                "error": row.error,
                "created_at": row.created_at,
                "started_at": row.started_at,
                "finished_at": row.finished_at,
            }
        )


REQUESTS = {
    "plain": JobRequest(dataset_id=datasets.READY.id, epsilon=0.3),
    "fraction": JobRequest(
        dataset_id=datasets.READY.id, epsilon="8/255", seed=7, budget_seconds=600
    ),
    "repeatable": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, seed=7, training_steps=1500
    ),
    "label map": JobRequest(
        dataset_id=datasets.READY.id, epsilon=0.3, label_map={"0": "1", "1": "0"}
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
    budget_seconds=100,
    training_steps=None,
    estimated_finish_at=datetime.fromisoformat("2026-11-22T10:18:30Z"),
    metrics={"loss": 1.87, "victim_accuracy": 42.5},
    error=None,
    created_at=datetime.fromisoformat("2026-11-22T10:15:10Z"),
    started_at=datetime.fromisoformat("2026-11-22T10:15:11Z"),
    finished_at=None,
)
QUEUED = RUNNING.model_copy(
    update={
        "status": "queued",
        "phase": None,
        "progress": 0.0,
        "estimated_finish_at": None,
        "metrics": {},
        "started_at": None,
    }
)
CANCELLING = RUNNING.model_copy(update={"status": "cancelling"})
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
