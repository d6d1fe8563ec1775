"""Erasing what owners asked to be erased, once nothing can write to it any more.

First the count is taken and written down, then everything is deleted, then the rows forget what
they knew of the data, and the receipt is complete. A sweeper that dies on the way is followed by
one that goes on.
"""

import logging
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, exists, func, literal, null, or_, select, update
from sqlalchemy.orm import Session

from core import audit, lifecycle, steps
from core.database import transaction
from core.object_store import ObjectStore, dataset_prefix, job_prefix
from core.settings import Settings
from core.tables import (
    Baseline,
    Dataset,
    Erasure,
    IdempotencyKey,
    Job,
    MetricPoint,
    Step,
    Upload,
    WebhookDelivery,
)

BATCH = 100
ERASED = "erased"  # in place of a name that an owner gave

log = logging.getLogger(__name__)


def erase_datasets(settings: Settings) -> None:
    """Complete every erasure whose jobs have come to rest."""
    store = ObjectStore.from_settings(settings)
    quiet = timedelta(seconds=settings.lease_seconds)
    for _ in range(BATCH):
        with transaction() as session:
            row = session.scalars(_due(quiet)).one_or_none()
            if row is None:
                return
            if row.objects is None:
                _count(store, row)
                continue  # the count outlives whatever happens next
            for prefix in _prefixes(row):
                store.erase_prefix(prefix)
            _forget(session, row)
            row.completed_at = func.now()
            dataset = session.get_one(Dataset, row.dataset_id)
            lifecycle.announce(session, dataset, "dataset.erased")
            audit.note(
                session,
                row.tenant_id,
                "dataset.erased",
                row.dataset_id,
                erasure_id=row.id,
                objects=row.objects,
                size_bytes=row.size_bytes,
            )
            log.info("%s: erased", row.dataset_id)


def _due(quiet: timedelta) -> Any:
    """An open erasure that nobody writes to; a worker that lost its lease is gone after `quiet`."""
    reads = or_(Job.dataset_id == Erasure.dataset_id, Job.compared_dataset_id == Erasure.dataset_id)
    jobs = select(Job.id).where(reads).correlate(Erasure)
    busy = exists().where(
        or_(Step.dataset_id == Erasure.dataset_id, Step.job_id.in_(jobs)),
        or_(Step.status.in_(steps.OPEN), Step.finished_at > func.now() - quiet),
    )
    unfinished = exists().where(reads, Job.status.not_in(lifecycle.FINAL))
    return (
        select(Erasure)
        .where(Erasure.completed_at.is_(None), ~busy, ~unfinished)
        .order_by(Erasure.id)
        .limit(1)
        .with_for_update(of=Erasure, skip_locked=True)
    )


def _prefixes(row: Erasure) -> list[str]:
    return [
        dataset_prefix(row.tenant_id, row.dataset_id),
        *(job_prefix(row.tenant_id, job_id) for job_id in row.job_ids),
    ]


def _count(store: ObjectStore, row: Erasure) -> None:
    sizes = [size for prefix in _prefixes(row) for _, size in store.entries(prefix)]
    row.objects, row.size_bytes = len(sizes), sum(sizes)


def _forget(session: Session, row: Erasure) -> None:
    """Take out of the database what was learned from the data, and the names in it.

    That there was a dataset and that there were jobs stays, with their ids and times.
    """
    dataset, job_ids = session.get_one(Dataset, row.dataset_id), row.job_ids
    session.execute(
        update(Job)
        .where(Job.id.in_(job_ids))
        .values(
            evaluation=null(),
            metrics={},
            options=Job.options.op("||")(literal({"metadata": {}}, Job.options.type)),
        )
    )
    dataset.name, dataset.error = ERASED, None
    dataset.summary = _nameless(dataset.summary)
    session.execute(update(Upload).where(Upload.dataset_id == dataset.id).values(name=ERASED))
    session.execute(
        update(Step)
        .where(or_(Step.dataset_id == dataset.id, Step.job_id.in_(job_ids)))
        .values(payload={}, result=null(), checkpoint_key=None)
    )
    session.execute(
        delete(WebhookDelivery).where(WebhookDelivery.subject_id.in_([dataset.id, *job_ids]))
    )
    session.execute(delete(MetricPoint).where(MetricPoint.job_id.in_(job_ids)))
    session.execute(
        delete(Baseline).where(
            Baseline.tenant_id == row.tenant_id, Baseline.dataset_sha256 == dataset.sha256
        )
    )
    for subject in (dataset.id, *job_ids):
        session.execute(
            delete(IdempotencyKey).where(
                IdempotencyKey.tenant_id == row.tenant_id,
                func.encode(IdempotencyKey.body, "escape").contains(subject, autoescape=True),
            )
        )


def _nameless(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    """The shape of a dataset, with classes by number."""
    if summary is None:
        return None
    numbers = {name: str(index) for index, name in enumerate(summary["classes"])}
    return {
        **summary,
        "classes": list(numbers.values()),
        "counts": {
            split: {numbers[name]: count for name, count in counts.items()}
            for split, counts in summary["counts"].items()
        },
        "notes": [],
    }
