"""Checking what a job asks for, and what may be done to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from core import audit, doorbell, lifecycle, steps
from core.database import reading, transaction
from core.ids import new_id
from core.pools import COMPUTE
from core.settings import Settings
from core.tables import Dataset, Job
from service.datasets.problems import dataset_not_found
from service.datasets.repository import DatasetRepository
from service.jobs import problems, schemas
from service.jobs.changes import Changes
from service.jobs.checks import check
from service.jobs.repository import PREFIX, JobRepository
from service.jobs.schemas import JobRequest
from service.kit.etag import Tagged
from service.kit.pages import Page


def create(tenant_id: str, asked: JobRequest, settings: Settings) -> Job:
    """Queue a job.

    Raises:
        Refused: the dataset is not there or not ready, or a wish cannot be met (see `check`).
    """
    with transaction() as session:
        # Locked, so that it is not deleted between this look and the job's first row.
        dataset = DatasetRepository(session, tenant_id).lock(asked.dataset_id)
        if dataset is None:
            raise dataset_not_found("dataset_id")
        if dataset.status != lifecycle.READY:
            raise problems.dataset_not_ready(dataset)
        job = add(session, dataset, asked, settings)
        audit.note(session, tenant_id, "job.created", job.id, dataset_id=dataset.id)
    doorbell.ring(COMPUTE)
    return job


def add(
    session: Session,
    dataset: Dataset,
    asked: JobRequest,
    settings: Settings,
    parent_id: str | None = None,
) -> Job:
    """Add a job on a dataset that is ready; whoever calls rings `COMPUTE` afterwards.

    Raises:
        Refused: a wish cannot be met (see `check`).
    """
    assert dataset.summary is not None
    checked = check(asked, dataset.summary["classes"], settings)
    job = Job(
        id=new_id(PREFIX),
        tenant_id=dataset.tenant_id,
        dataset=dataset,
        parent_id=parent_id,
        status=lifecycle.QUEUED,
        epsilon=str(checked.epsilon),
        label_map=checked.label_map,
        seed=asked.seed,
        budget_seconds=checked.budget_seconds,
        priority=asked.priority,
        deadline_at=checked.deadline_at,
        options=checked.options.model_dump(mode="json"),
    )
    JobRepository(session, dataset.tenant_id).add(job)
    steps.enqueue(
        session,
        kind="train",
        pool=COMPUTE,
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.id,
        job_id=job.id,
        priority=job.priority,
    )
    lifecycle.record(session, dataset.tenant_id, job.id, "job.created")
    return job


def get(tenant_id: str, job_id: str, *, with_evaluation: bool = False) -> Job:
    """One job; its evaluation is read only `with_evaluation`.

    Raises:
        Refused: `job_not_found`.
    """
    with reading() as session:
        job = JobRepository(session, tenant_id).get(job_id, with_evaluation=with_evaluation)
    if job is None:
        raise problems.job_not_found()
    return job


@dataclass(frozen=True)
class TaggedJob(Tagged):
    """A job, serialised as its owner reads it."""

    is_final: bool


def tagged(tenant_id: str, job_id: str) -> TaggedJob:
    """One job, as `view` shows it.

    Raises:
        Refused: `job_not_found`.
    """
    job = get(tenant_id, job_id)
    answer = Tagged.of(view(job))
    return TaggedJob(answer.body, answer.etag, job.status in lifecycle.FINAL)


def view(job: Job) -> schemas.Job:
    """A job as its owner reads it, with its place in the queue while it waits."""
    position = None
    if job.status == lifecycle.QUEUED:
        with reading() as session:
            position = steps.position(session, job.id)
    return schemas.Job.of(job, position)


async def wait_for_change(
    tenant_id: str, job_id: str, known: TaggedJob, seconds: float, changes: Changes
) -> TaggedJob:
    """The job once it is not what is `known` any more, or as it is after `seconds`.

    Raises:
        Refused: `job_not_found`.
    """
    deadline = time.monotonic() + seconds
    with changes.watch(job_id) as watched:
        while await watched.changed(deadline - time.monotonic()):
            found = await run_in_threadpool(tagged, tenant_id, job_id)
            if found.etag != known.etag:
                return found
    return known


async def wait_until_final(tenant_id: str, job_id: str, seconds: float, changes: Changes) -> Job:
    """The job once it has ended, or as it is after `seconds`.

    Raises:
        Refused: `job_not_found`.
    """
    deadline = time.monotonic() + seconds
    with changes.watch(job_id) as watched:
        while True:
            job = await run_in_threadpool(get, tenant_id, job_id)
            left = deadline - time.monotonic()
            if job.status in lifecycle.FINAL or not await watched.changed(left):
                return job


def page_of(tenant_id: str, page: Page) -> tuple[list[Job], bool]:
    """A page of the tenant's jobs, and whether more follow."""
    with reading() as session:
        return JobRepository(session, tenant_id).page(page)


def cancel(tenant_id: str, job_id: str) -> Job:
    """Call a job off. Doing so twice changes nothing.

    Raises:
        Refused: `job_not_found` or `job_already_finished`.
    """
    return _change(tenant_id, job_id, lifecycle.request_cancel, "job.cancelled")


def pause(tenant_id: str, job_id: str) -> Job:
    """Let a job rest. Doing so twice changes nothing.

    Raises:
        Refused: `job_not_found`, `job_already_finished` or `job_being_cancelled`.
    """
    return _change(tenant_id, job_id, lifecycle.request_pause, "job.paused")


def resume(tenant_id: str, job_id: str) -> Job:
    """Let a resting job go on. One that rests not goes on as it did.

    Raises:
        Refused: `job_not_found`, `job_already_finished` or `job_being_cancelled`.
    """
    job = _change(tenant_id, job_id, lifecycle.request_resume, "job.resumed")
    doorbell.ring(COMPUTE)
    return job


def _change(
    tenant_id: str, job_id: str, request: Callable[[Session, Job], None], action: str
) -> Job:
    with transaction() as session:
        job = JobRepository(session, tenant_id).lock(job_id)
        if job is None:
            raise problems.job_not_found()
        try:
            request(session, job)
        except lifecycle.IllegalChange as error:
            raise problems.job_cannot_change(job) from error
        audit.note(session, tenant_id, action, job.id)
        session.flush()
        session.refresh(job, ("finished_at",))
    return job
