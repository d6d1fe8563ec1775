"""Erasing a dataset with everything that was made of it: what is asked at once, and what belongs.

The API takes the dataset and its jobs out of use; the sweeper deletes once no worker can write any
more, and fills in the receipt.
"""

from collections.abc import Sequence

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core import audit, lifecycle, steps
from core.ids import new_id
from core.tables import Dataset, Erasure, Generator, Job, Step

PREFIX = "era"


def request(session: Session, dataset: Dataset) -> Erasure:
    """Take a dataset (its row locked) out of use for good. Asked again, the first answer holds.

    Jobs that work on it or with a generator that was trained on it are cancelled.
    """
    audit.note(session, dataset.tenant_id, "dataset.erasure_requested", dataset.id)
    known = session.scalars(select(Erasure).where(Erasure.dataset_id == dataset.id)).one_or_none()
    if known is not None:
        return known
    job_ids = jobs_of(session, dataset.id)
    trained = select(Generator.id).where(Generator.job_id.in_(job_ids))
    open_jobs = session.scalars(
        select(Job.id)
        .where(
            Job.tenant_id == dataset.tenant_id,
            Job.status.not_in(lifecycle.FINAL),
            or_(Job.id.in_(job_ids), Job.generator_id.in_(trained)),
        )
        .order_by(Job.id)
    ).all()
    for job_id in open_jobs:
        job = lifecycle.lock_job(session, job_id)
        if job.status not in lifecycle.FINAL:
            lifecycle.request_cancel(session, job)
    session.execute(
        update(Step)
        .where(Step.dataset_id == dataset.id, Step.job_id.is_(None), Step.status.in_(steps.OPEN))
        .values(status=steps.DROPPED, finished_at=func.now(), lease_expires_at=None)
    )
    if dataset.status != lifecycle.DELETED:
        lifecycle.change_dataset(session, dataset, lifecycle.DELETED)
    erasure = Erasure(id=new_id(PREFIX), tenant_id=dataset.tenant_id, dataset_id=dataset.id)
    session.add(erasure)
    session.flush()
    session.refresh(erasure)
    return erasure


def jobs_of(session: Session, dataset_id: str) -> Sequence[str]:
    """Every job and evaluation that has read a dataset."""
    return session.scalars(
        select(Job.id)
        .where(or_(Job.dataset_id == dataset_id, Job.compared_dataset_id == dataset_id))
        .order_by(Job.id)
    ).all()
