"""The one place that decides legal state changes of datasets and jobs.

Every change writes an event row in the same transaction. Callers hold the transaction. Whoever
needs several rows locks them in this order, since in any other two could wait for each other: jobs,
a parent before its children; generators; datasets; uploads; steps; the tenant (`core.quotas`). A
new row locks those that it names, too, though it shares them with other new rows.
"""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core import compute, steps, webhooks
from core.problem import Problem
from core.tables import Baseline, Dataset, Event, Job, Step

VALIDATING, READY, REJECTED, DELETED = "validating", "ready", "rejected", "deleted"

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
PAUSING, PAUSED = "pausing", "paused"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})

DATASET_CHANGES = {
    VALIDATING: {READY, REJECTED, DELETED},
    READY: {DELETED},
    REJECTED: {DELETED},
    DELETED: set[str](),
}
JOB_CHANGES = {
    QUEUED: {RUNNING, PAUSING, FAILED, CANCELLED},
    RUNNING: {SUCCEEDED, FAILED, PAUSING, CANCELLING},
    # What was almost done may end while it is being paused, and the owner may think again.
    PAUSING: {PAUSED, RUNNING, SUCCEEDED, FAILED, CANCELLING},
    PAUSED: {QUEUED, FAILED, CANCELLED},
    CANCELLING: {CANCELLED},
    SUCCEEDED: set[str](),
    FAILED: set[str](),
    CANCELLED: set[str](),
}


class IllegalChange(Exception):
    """A state change that the life of a dataset or a job does not know."""


def record(session: Session, tenant_id: str, subject_id: str, type_: str, **data: Any) -> Event:
    """Write an event."""
    event = Event(tenant_id=tenant_id, subject_id=subject_id, type=type_, data=data)
    session.add(event)
    return event


def announce(session: Session, subject: Dataset | Job, type_: str, **data: Any) -> None:
    """Write an event, and a message for each webhook of the owner that listens to it."""
    event = record(session, subject.tenant_id, subject.id, type_, **data)
    webhooks.post(session, event, subject)


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
    if status == DELETED:
        session.execute(
            delete(Baseline).where(
                Baseline.tenant_id == dataset.tenant_id, Baseline.dataset_sha256 == dataset.sha256
            )
        )
    announce(session, dataset, f"dataset.{status}", code=error and error.code)


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
    if status == RUNNING and job.started_at is None:
        job.started_at = func.now()
    if status in FINAL:
        job.finished_at = func.now()
        job.estimated_finish_at = None
        job.phase = None
        compute.charge(session, Step.job_id == job.id)
        session.execute(
            update(Step)
            .where(Step.job_id == job.id, Step.status.in_(steps.OPEN))
            .values(status=steps.DROPPED, finished_at=func.now(), lease_expires_at=None)
        )
    announce(session, job, f"job.{status}", code=error and error.code)


def _stamp(job: Job, entered: str) -> None:
    job.timestamps = {**job.timestamps, entered: datetime.now(UTC).isoformat()}


def enter_phase(session: Session, job: Job, phase: str) -> None:
    """Say what a running job is doing now."""
    if job.phase != phase:
        job.phase = phase
        _stamp(job, phase)
        record(session, job.tenant_id, job.id, "job.phase", phase=phase)


def request_cancel(session: Session, job: Job) -> None:
    """The owner wants a job to end. What does not run ends now; what runs is told.

    A cancelled job stays cancelled, and a job that has ended otherwise raises.

    Raises:
        IllegalChange: the job has succeeded or failed.
    """
    if job.status in {CANCELLING, CANCELLED}:
        return
    if job.status in FINAL:
        raise IllegalChange(f"job {job.id} has {job.status}")
    job.cancel_requested_at = func.now()
    if job.status in {RUNNING, PAUSING}:
        change_job(session, job, CANCELLING)
        _change_waiting(session, job, steps.OPEN - {steps.RUNNING}, steps.DROPPED)
        settle(session, job)
    else:
        change_job(session, job, CANCELLED)


def request_pause(session: Session, job: Job) -> None:
    """The owner wants a job to rest. Its waiting steps are held; those that run are told.

    Raises:
        IllegalChange: the job has ended, or is being cancelled.
    """
    if job.status in {PAUSING, PAUSED}:
        return
    change_job(session, job, PAUSING)
    _change_waiting(session, job, {steps.QUEUED}, steps.HELD)
    settle(session, job)


def request_resume(session: Session, job: Job) -> None:
    """The owner wants a resting job to go on; one that rests not does so already.

    It keeps its place in the queue: its steps are as old as the job.

    Raises:
        IllegalChange: the job has ended, or is being cancelled.
    """
    if job.status in {QUEUED, RUNNING}:
        return
    if job.status == PAUSED:
        job.paused_seconds = Job.paused_seconds + func.extract("epoch", func.now() - Job.paused_at)
        job.paused_at = None
        change_job(session, job, QUEUED)
    else:
        change_job(session, job, RUNNING)
    _change_waiting(session, job, {steps.HELD}, steps.QUEUED)


def enforce_deadline(session: Session, job: Job) -> bool:
    """Fail a job (its row locked) whose deadline has passed, also one that rests.

    What runs of it is dropped with it: its workers find their leases gone, and stop.

    Returns:
        True if it has failed by this call.
    """
    if job.deadline_at is None or job.status in FINAL | {CANCELLING}:
        return False
    if session.scalars(select(func.now())).one() < job.deadline_at:
        return False
    change_job(
        session,
        job,
        FAILED,
        Problem(
            "deadline_exceeded",
            f"The job had not ended by its deadline, {job.deadline_at.isoformat()}.",
            hint="Give it more time, a shorter training, a smaller evaluation or a higher "
            "priority; POST /v1/jobs/estimate says how long it takes.",
        ),
    )
    return True


def settle(session: Session, job: Job) -> None:
    """End the cancelling or pausing of a job (its row locked) once none of its steps runs.

    To be called by whoever takes a step out of `running` without starting another one.
    """
    if job.status not in {CANCELLING, PAUSING}:
        return
    session.flush()
    running = session.scalar(
        select(Step.id).where(Step.job_id == job.id, Step.status == steps.RUNNING).limit(1)
    )
    if running is not None:
        return
    if job.status == CANCELLING:
        change_job(session, job, CANCELLED)
    else:
        change_job(session, job, PAUSED)
        job.paused_at = func.now()
        job.estimated_finish_at = None


def waiting_status(job: Job) -> str:
    """What a step of this job is while no worker has it: `queued`, or `held` if the job rests."""
    return steps.HELD if job.status in {PAUSING, PAUSED} else steps.QUEUED


def _change_waiting(session: Session, job: Job, old: Set[str], new: str) -> None:
    ended = {"finished_at": func.now()} if new == steps.DROPPED else {}
    session.execute(
        update(Step).where(Step.job_id == job.id, Step.status.in_(old)).values(status=new, **ended)
    )
