"""The one place that decides legal state changes of datasets and jobs.

Every change writes an event row in the same transaction. Callers hold the transaction. Whoever
needs both a job's row and rows of its steps locks the job first: in any other order two workers
could wait for each other.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.problem import Problem
from core.tables import Dataset, Event, Job, Step

VALIDATING, READY, REJECTED, DELETED = "validating", "ready", "rejected", "deleted"

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})

DATASET_CHANGES = {
    VALIDATING: {READY, REJECTED, DELETED},
    READY: {DELETED},
    REJECTED: {DELETED},
    DELETED: set[str](),
}
JOB_CHANGES = {
    QUEUED: {RUNNING, FAILED, CANCELLED},
    RUNNING: {SUCCEEDED, FAILED, CANCELLING},
    CANCELLING: {CANCELLED},
    SUCCEEDED: set[str](),
    FAILED: set[str](),
    CANCELLED: set[str](),
}


class IllegalChange(Exception):
    """A state change that the life of a dataset or a job does not know."""


def record(session: Session, tenant_id: str, subject_id: str, type_: str, **data: Any) -> None:
    """Write an event."""
    session.add(Event(tenant_id=tenant_id, subject_id=subject_id, type=type_, data=data))


def lock_job(session: Session, job_id: str) -> Job:
    """The job's row, locked until the transaction ends: changes happen one after another."""
    return session.scalars(
        select(Job)
        .where(Job.id == job_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def lock_dataset(session: Session, dataset_id: str) -> Dataset | None:
    return session.scalars(
        select(Dataset)
        .where(Dataset.id == dataset_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()


def change_dataset(
    session: Session, dataset: Dataset, status: str, error: Problem | None = None
) -> None:
    """Move a dataset to `status`.

    Raises:
        IllegalChange: its life has no such change.
    """
    if status not in DATASET_CHANGES[dataset.status]:
        raise IllegalChange(f"dataset {dataset.id}: {dataset.status} -> {status}")
    dataset.status = status
    dataset.error = error.to_json() if error else None
    dataset.purged_at = None
    if status == READY:
        dataset.ready_at = func.now()
    record(session, dataset.tenant_id, dataset.id, f"dataset.{status}", code=error and error.code)


def change_job(session: Session, job: Job, status: str, error: Problem | None = None) -> None:
    """Move a job to `status`; a final one also ends every step that has not ended.

    Raises:
        IllegalChange: its life has no such change.
    """
    if status not in JOB_CHANGES[job.status]:
        raise IllegalChange(f"job {job.id}: {job.status} -> {status}")
    job.status = status
    _stamp(job, status)
    if error:
        job.error = error.to_json()
    if status == RUNNING:
        job.started_at = func.now()
    if status in FINAL:
        job.finished_at = func.now()
        job.estimated_finish_at = None
        job.phase = None
        session.execute(
            update(Step)
            .where(Step.job_id == job.id, Step.status.in_(("queued", "running")))
            .values(status="dropped", finished_at=func.now(), lease_expires_at=None)
        )
    record(session, job.tenant_id, job.id, f"job.{status}", code=error and error.code)


def _stamp(job: Job, entered: str) -> None:
    job.timestamps = {**job.timestamps, entered: datetime.now(UTC).isoformat()}


def enter_phase(session: Session, job: Job, phase: str) -> None:
    """Say what a running job is doing now."""
    if job.phase != phase:
        job.phase = phase
        _stamp(job, phase)
        record(session, job.tenant_id, job.id, "job.phase", phase=phase)


def request_cancel(session: Session, job: Job) -> None:
    """The owner wants a job to end. What has not started ends now; what runs is told.

    A cancelled job stays cancelled, and a job that has ended otherwise raises.

    Raises:
        IllegalChange: the job has succeeded or failed.
    """
    if job.status in {CANCELLING, CANCELLED}:
        return
    if job.status not in {QUEUED, RUNNING}:
        raise IllegalChange(f"job {job.id} has {job.status}")
    job.cancel_requested_at = func.now()
    if job.status == RUNNING:
        change_job(session, job, CANCELLING)
        session.execute(
            update(Step)
            .where(Step.job_id == job.id, Step.status == "queued")
            .values(status="dropped", finished_at=func.now())
        )
        end_if_cancelled(session, job)
    else:
        change_job(session, job, CANCELLED)


def end_if_cancelled(session: Session, job: Job) -> bool:
    """Make a cancelling job (its row locked) cancelled once none of its steps runs.

    Returns:
        True if the job is cancelled now.
    """
    if job.status == CANCELLING:
        running = session.scalar(
            select(Step.id).where(Step.job_id == job.id, Step.status == "running").limit(1)
        )
        if running is None:
            change_job(session, job, CANCELLED)
    return job.status == CANCELLED
