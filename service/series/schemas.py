"""What the series of a job look like to its owner."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from core import tables
from service.jobs import schemas as jobs


class Series(BaseModel):
    """What one part of a job measured, moment by moment."""

    phase: str = Field(description="`training`, `protecting` or `evaluating`.")
    victim: str | None = Field(description="While evaluating: which victim is being trained.")
    seed: int | None = Field(description="While evaluating: the seed of its training.")
    side: str | None = Field(description="While evaluating: on `clean` or `protected` images.")
    at: list[datetime] = Field(description="When each point was measured, oldest first.")
    metrics: dict[str, list[Any]] = Field(
        description="By name, such as `victim_loss` or `held_out_accuracy` (percent): one value "
        "for each moment of `at`, null where there was none."
    )

    @classmethod
    def of(cls, points: list[tables.MetricPoint]) -> Self:
        """The public view of the rows of one phase and source."""
        source = points[0].source
        names = dict.fromkeys(name for point in points for name in point.metrics)
        return cls(
            phase=points[0].phase,
            victim=source.get("victim"),
            seed=source.get("seed"),
            side=source.get("side"),
            at=[point.at for point in points],
            metrics={name: [point.metrics.get(name) for point in points] for name in names},
        )


class JobMetrics(BaseModel):
    """Everything that a job has measured so far."""

    object: Literal["job.metrics"] = "job.metrics"
    job_id: str
    series: list[Series] = Field(
        description="One for the training, and one for each victim that is being evaluated. A "
        "point a second at first; later they are the farther apart the longer it runs."
    )


EXAMPLE = JobMetrics(
    job_id=jobs.RUNNING.id,
    series=[
        Series(
            phase="training",
            victim=None,
            seed=None,
            side=None,
            at=[datetime.fromisoformat(f"2026-11-22T10:15:{second}Z") for second in (21, 22, 23)],
            metrics={
                "step": [50, 63, 77],
                "victim_loss": [1.92, 1.88, 1.87],
                "held_out_accuracy": [None, 58.1, 42.5],
            },
        )
    ],
)
