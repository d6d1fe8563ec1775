"""How long a job would take, from what steps took before. Nothing is queued or written."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from core import lifecycle, speeds
from core.choices import fitting_victim, is_applicable, most_steps
from core.database import reading
from core.job_options import EvaluationVictim, JobOptions
from core.settings import Settings
from service.datasets.problems import dataset_not_found
from service.datasets.repository import DatasetRepository
from service.jobs import problems
from service.jobs.checks import Checked, check
from service.jobs.schemas import JobRequest

BATCH = 64  # images of a training step, by which paces are counted


class Phases(BaseModel):
    """Seconds of each phase, one after the other on a single worker."""

    training: float
    protecting: float
    evaluating: float


class Estimate(BaseModel):
    """How long a job would take. The wait in the queue is not in it."""

    object: Literal["job.estimate"] = "job.estimate"
    seconds: Phases
    total_seconds: float = Field(
        description="All phases on one worker; more workers share the evaluation."
    )
    meets_deadline: bool | None = Field(
        description="Whether it would end by the `deadline` if it began now on one worker; null "
        "without one."
    )
    trainings: int = Field(description="How many victims the evaluation trains.")
    measured: bool = Field(
        description="Whether this server has done every kind of work in it before. If not, the "
        "pace of a laptop with two cores stands in."
    )


EXAMPLE = Estimate(
    seconds=Phases(training=100.0, protecting=1.9, evaluating=96.4),
    total_seconds=198.3,
    meets_deadline=None,
    trainings=4,
    measured=True,
)


def estimate(tenant_id: str, asked: JobRequest, settings: Settings) -> Estimate:
    """Estimate a job that could be created.

    Raises:
        Refused: as creating it would.
    """
    with reading() as session:
        dataset = DatasetRepository(session, tenant_id).get(asked.dataset_id)
        measured = speeds.known(session)
    if dataset is None:
        raise dataset_not_found("dataset_id")
    if dataset.status != lifecycle.READY:
        raise problems.dataset_not_ready(dataset)
    assert dataset.summary is not None
    return _estimate(check(asked, dataset.summary["classes"], settings), dataset.summary, measured)


def _estimate(checked: Checked, summary: dict[str, Any], measured: dict[str, float]) -> Estimate:
    height, width, channels = summary["image_shape"]
    shape = (height, width, channels)
    pixels = height * width * channels / 1e6
    images = sum(summary["counts"]["train"].values())
    wishes = checked.options
    names: list[str] = ["protect"]
    training = float(checked.budget_seconds)
    train = f"train/{wishes.recipe}"
    step_seconds = BATCH * pixels * speeds.pace(measured, train)
    steers = checked.label_map is not None
    most = most_steps(wishes.recipe, shape, wishes.conditioning, steers=steers)
    if most == 0 and wishes.trains:
        most = None
    if wishes.training_steps is not None:
        training = wishes.training_steps * step_seconds
    elif most is not None:
        training = min(training, most * step_seconds)
    if training:
        names.append(train)
    evaluating = speeds.pace(measured, "report")
    trainings = 0
    fitting = fitting_victim(shape, len(summary["classes"]), images)
    for victim, times in _trainings(wishes, EvaluationVictim(victim=fitting[0]), channels):
        names.append(f"evaluate/{victim.victim}")
        passes = victim.epochs or fitting[1]
        evaluating += times * passes * images * pixels * speeds.pace(measured, names[-1])
        trainings += times
    protecting = images * pixels * speeds.pace(measured, "protect")
    phases = Phases(
        training=round(training, 1),
        protecting=round(protecting, 1),
        evaluating=round(evaluating, 1),
    )
    total = training + protecting + evaluating
    deadline = checked.deadline_at
    return Estimate(
        seconds=phases,
        total_seconds=round(total, 1),
        meets_deadline=None
        if deadline is None
        else datetime.now(UTC) + timedelta(seconds=total) <= deadline,
        trainings=trainings,
        measured=all(name in measured for name in names),
    )


def _trainings(
    wishes: JobOptions, fitting: EvaluationVictim, channels: int
) -> list[tuple[EvaluationVictim, int]]:
    """Each victim, and how many trainings it has in all."""
    asked = wishes.evaluation
    victims = asked.victims or [fitting]
    against = 1 + asked.clean_under_countermeasures
    found = []
    for position, victim in enumerate(victims):
        times = 2
        tried = sum(is_applicable(one, victim.victim, channels) for one in asked.countermeasures)
        if position < asked.countermeasure_victims:
            times += against * tried
        if position == 0:
            times += len(asked.controls)
            times += wishes.protected_fraction is not None
            if asked.controls_under_countermeasures:
                times += len(asked.controls) * tried
        found.append((victim, times * len(asked.seeds)))
    return found
