"""What the database says about jobs, asked patiently: it may be down just now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import lifecycle, steps
from core.database import write_patiently
from core.tables import Artifact, Event, Job, Step

DATABASE_SECONDS = 60.0
T = TypeVar("T")


@dataclass(frozen=True)
class StepState:
    """A step as far as a fault can change it."""

    id: str
    kind: str
    status: str
    token: int
    lost: int
    progress: float


def look(read: Callable[[Session], T]) -> T:
    return write_patiently(read, DATABASE_SECONDS)


def steps_of(job_id: str) -> list[StepState]:
    """Every step of a job, oldest first."""
    rows = look(
        lambda session: session.scalars(
            select(Step).where(Step.job_id == job_id).order_by(Step.id)
        ).all()
    )
    return [
        StepState(
            id=step.id,
            kind=step.kind,
            status=step.status,
            token=step.lease_token,
            lost=step.lost_count,
            progress=step.progress,
        )
        for step in rows
    ]


def running_steps(job_ids: list[str]) -> list[StepState]:
    return [s for job_id in job_ids for s in steps_of(job_id) if s.status == steps.RUNNING]


def endings_of(job_id: str) -> list[str]:
    """The final states that a job has entered, by its events; there must be one."""
    final = {f"job.{status}" for status in lifecycle.FINAL}
    return list(
        look(
            lambda session: session.scalars(
                select(Event.type).where(Event.subject_id == job_id, Event.type.in_(final))
            ).all()
        )
    )


def artifacts_of(job_id: str) -> list[str]:
    """The names of a job's artifacts: of figures there are several."""
    return list(
        look(
            lambda session: session.scalars(
                select(Artifact.name).where(Artifact.job_id == job_id)
            ).all()
        )
    )


def artifact_keys(job_id: str) -> set[str]:
    """Where a job's artifacts lie in the store."""
    wanted = select(Artifact.object_key).where(Artifact.job_id == job_id)
    return set(look(lambda session: session.scalars(wanted).all()))


def job_of(job_id: str) -> Job:
    return look(lambda session: session.get_one(Job, job_id))


def jobs_marked(mark: int) -> list[str]:
    """Ids of the jobs that carry an owner's mark."""
    marked = select(Job.id).where(Job.options["metadata"]["mark"].astext == str(mark))
    return list(look(lambda session: session.scalars(marked).all()))


def expire_lease(step_id: str) -> None:
    """The clock runs out for a step whose worker is alive and well."""
    look(
        lambda session: session.execute(
            update(Step).where(Step.id == step_id).values(lease_expires_at=func.now())
        )
    )
