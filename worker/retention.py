"""Letting go of uploads and results that have been kept as long as the settings say.

Only the rows change here; `worker.purge` deletes the bytes, and notes when they are gone.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from core import audit, few_images, lifecycle
from core.database import transaction
from core.settings import Settings
from core.tables import Artifact, Dataset, IdempotencyKey, Job, WebhookDelivery

BATCH = 100
Row = TypeVar("Row", Dataset, Job)


def expire_datasets(settings: Settings) -> None:
    """Delete datasets as their owner would: after the time that the owner chose for each, and
    those that no job has used for `keep_datasets_days`. Nothing goes while a job works on it."""
    uses = (Job.dataset_id == Dataset.id) | (Job.compared_dataset_id == Dataset.id)
    busy = exists().where(uses, Job.status.not_in(lifecycle.FINAL))
    expired = retention_end() < func.now()
    if settings.keep_datasets_days is not None:
        age = timedelta(days=settings.keep_datasets_days)
        used = exists().where(uses, _older(Job.finished_at, age).is_not(True))
        expired |= _older(Dataset.ready_at, age) & ~used
    due = select(Dataset).where(Dataset.status == lifecycle.READY, expired, ~busy)
    with transaction() as session:
        for dataset in _locked(session, due, Dataset.id):
            lifecycle.record(session, dataset.tenant_id, dataset.id, "dataset.expired")
            audit.note(session, dataset.tenant_id, "dataset.expired", dataset.id)
            lifecycle.change_dataset(session, dataset, lifecycle.DELETED)


def retention_end() -> ColumnElement[Any]:
    """When the time that an owner chose for a dataset is over; null if none was chosen."""
    return Dataset.ready_at + Dataset.retention_seconds * timedelta(seconds=1)


def expire_answers(settings: Settings) -> None:
    """Answers to repeated requests are kept for a while only."""
    age = timedelta(seconds=settings.idempotency_seconds)
    with transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < func.now() - age))


def expire_results(settings: Settings) -> None:
    """Take back the files of jobs that ended `keep_results_days` ago; the jobs stay.

    Not while another job reads them: a conversion, or an evaluation of what was protected.
    """
    if settings.keep_results_days is None:
        return
    age = timedelta(days=settings.keep_results_days)
    reader = aliased(Job)
    being_read = exists().where(
        or_(
            reader.parent_id == Job.id,  # a conversion
            and_(reader.kind == "evaluation", reader.dataset_id == Job.dataset_id),
        ),
        reader.status.not_in(lifecycle.FINAL),
    )
    due = select(Job).where(
        Job.status == lifecycle.SUCCEEDED,
        _older(Job.finished_at, age),
        exists().where(Artifact.job_id == Job.id),
        ~being_read,
    )
    with transaction() as session:
        for job in _locked(session, due, Job.id):
            session.execute(delete(Artifact).where(Artifact.job_id == job.id))
            job.purged_at = None
            lifecycle.announce(session, job, "job.results_expired")
            audit.note(session, job.tenant_id, "job.results_expired", job.id)


def expire_deliveries(settings: Settings) -> None:
    """The log of webhooks that were sent, or given up, is kept for a while only."""
    age = timedelta(days=settings.keep_deliveries_days)
    old = (
        select(WebhookDelivery.id)
        .where(_older(WebhookDelivery.finished_at, age))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    with transaction() as session:
        session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)))


def expire_images(settings: Settings) -> None:
    """Of single images nothing is kept: neither what nobody fetched, nor what nobody finished."""
    age = timedelta(seconds=settings.keep_images_seconds)
    with transaction() as session:
        jobs = session.scalars(
            select(Job)
            .where(
                Job.kind == few_images.KIND,
                (Job.status.not_in(lifecycle.FINAL) & _older(Job.created_at, age))
                | (_older(Job.finished_at, age) & exists().where(Artifact.job_id == Job.id)),
            )
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for job in jobs:
            if job.status in lifecycle.FINAL:
                session.execute(delete(Artifact).where(Artifact.job_id == job.id))
                job.purged_at = None
            else:
                lifecycle.request_cancel(session, job)


def _locked(session: Session, due: Select[Row], id_: Any) -> Sequence[Row]:
    """Some rows that are due, locked.

    Another sweeper may be at it, and an owner may be starting a job on one of them: what is locked
    is left alone. What began after the look and let go before the lock is only seen by a second
    look: the first one's subqueries stay as old as its statement.
    """
    ids = session.scalars(due.with_only_columns(id_).limit(BATCH).with_for_update(skip_locked=True))
    return session.scalars(due.where(id_.in_(ids.all()))).all()


def _older(moment: Any, age: timedelta) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = moment < func.now() - age
    return condition
