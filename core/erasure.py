"""Erasing a dataset with everything that was made of it: what is asked at once, and what belongs.

The API takes the dataset and its jobs out of use; the sweeper deletes once no worker can write any
more, and fills in the receipt.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core import audit, lifecycle, steps
from core.ids import new_id
from core.tables import Artifact, Dataset, Erasure, Generator, Job, Step

PREFIX = "era"


def request(session: Session, tenant_id: str, dataset_id: str) -> Erasure | None:
    """Take a dataset and what was made of it out of use for good; None if there is no such dataset.

    Asked again, the first answer holds. Jobs that work on it or with a generator that was trained
    on it are cancelled.
    """
    mine = select(Dataset.id).where(Dataset.id == dataset_id, Dataset.tenant_id == tenant_id)
    if session.scalar(mine) is None:
        return None
    # In the order of `core.lifecycle`. Then nobody adds to what is found: a new job needs the
    # dataset's row, if only to name it, and results are published under the job's lock.
    session.execute(
        select(Job.id)
        .where(_reads(dataset_id))
        .order_by(Job.parent_id.is_not(None), Job.id)
        .with_for_update()
    )
    session.execute(select(Generator.id).where(_is_trained_on(dataset_id)).with_for_update())
    dataset = lifecycle.lock_dataset(session, dataset_id)
    assert dataset is not None
    audit.note(session, tenant_id, "dataset.erasure_requested", dataset_id)
    known = session.scalars(select(Erasure).where(Erasure.dataset_id == dataset_id)).one_or_none()
    if known is not None:
        return known
    job_ids = jobs_of(session, dataset_id)
    _stop(session, dataset, job_ids)
    if dataset.status != lifecycle.DELETED:
        lifecycle.change_dataset(session, dataset, lifecycle.DELETED)
    # Nobody else deletes the bytes: they shall be counted before.
    dataset.purged_at = func.now()
    session.execute(update(Job).where(Job.id.in_(job_ids)).values(purged_at=func.now()))
    erasure = Erasure(
        id=new_id(PREFIX),
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        job_ids=list(job_ids),
        files=[_file("original", None, dataset), *_unlist(session, job_ids)],
    )
    session.add(erasure)
    session.flush()
    session.refresh(erasure)
    return erasure


def _is_trained_on(dataset_id: str) -> ColumnElement[bool]:
    return Generator.job_id.in_(select(Job.id).where(_reads(dataset_id)))


def _reads(dataset_id: str) -> ColumnElement[bool]:
    return or_(Job.dataset_id == dataset_id, Job.compared_dataset_id == dataset_id)


def _stop(session: Session, dataset: Dataset, job_ids: Sequence[str]) -> None:
    """Cancel what has not ended of these jobs, of the dataset's validation, and of its generators'
    work on other datasets."""
    trained = select(Generator.id).where(_is_trained_on(dataset.id))
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


def _unlist(session: Session, job_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Let nobody find what these jobs made, from now on; return what the receipt says of it."""
    made = session.scalars(
        select(Artifact).where(Artifact.job_id.in_(job_ids)).order_by(Artifact.id)
    ).all()
    files = [_file(artifact.kind, artifact.job_id, artifact) for artifact in made]
    for table in (Artifact, Generator):
        session.execute(delete(table).where(table.job_id.in_(job_ids)))
    return files


def _file(kind: str, job_id: str | None, row: Dataset | Artifact) -> dict[str, Any]:
    return {"kind": kind, "job_id": job_id, "size_bytes": row.size_bytes, "sha256": row.sha256}


def jobs_of(session: Session, dataset_id: str) -> Sequence[str]:
    """Every job and evaluation that has read a dataset."""
    return session.scalars(select(Job.id).where(_reads(dataset_id)).order_by(Job.id)).all()
