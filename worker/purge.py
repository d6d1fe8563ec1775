"""Deleting what datasets and jobs that have come to rest no longer need in the store.

Checkpoints, superseded attempts, everything of a job that failed or was cancelled and of an upload
that was rejected or deleted. Written down as done (`purged_at`) only afterwards, so that a store
that is away for a while means a later purge and not an orphan.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import exists, func, select

from core import lifecycle
from core.database import transaction
from core.object_store import ObjectStore, dataset_prefix, job_prefix
from core.settings import Settings
from core.tables import Artifact, Dataset, Generator, Job, Step

BATCH = 100


def purge_jobs(settings: Settings) -> None:
    """Of a job that has ended only its artifacts stay, and the generator that it trained."""
    store = ObjectStore.from_settings(settings)
    due = (
        select(Job)
        .where(
            Job.purged_at.is_(None),
            Job.status.in_(lifecycle.FINAL),
            # A worker that lost its lease may still be writing; it is gone by then.
            Job.finished_at < func.now() - timedelta(seconds=settings.lease_seconds),
        )
        .limit(1)
        # Another sweeper takes the next one.
        .with_for_update(skip_locked=True)
    )
    for _ in range(BATCH):
        with transaction() as session:
            job = session.scalars(due).one_or_none()
            if job is None:
                return
            kept = set(
                session.scalars(select(Artifact.object_key).where(Artifact.job_id == job.id))
            ) | set(session.scalars(select(Generator.object_key).where(Generator.job_id == job.id)))
            _delete(store, job_prefix(job.tenant_id, job.id), kept.__contains__)
            job.purged_at = func.now()


def purge_datasets(settings: Settings) -> None:
    """Of a dataset the upload and its canonical form stay, of one that is gone nothing."""
    store = ObjectStore.from_settings(settings)
    just_read = exists().where(
        Step.dataset_id == Dataset.id,
        Step.job_id.is_(None),
        # As above.
        Step.finished_at > func.now() - timedelta(seconds=settings.lease_seconds),
    )
    due = (
        select(Dataset)
        .where(Dataset.purged_at.is_(None), Dataset.status != lifecycle.VALIDATING, ~just_read)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    for _ in range(BATCH):
        with transaction() as session:
            dataset = session.scalars(due).one_or_none()
            if dataset is None:
                return
            ready = dataset.status == lifecycle.READY
            _delete(
                store, dataset_prefix(dataset.tenant_id, dataset.id), _kept_of(dataset, ready=ready)
            )
            dataset.purged_at = func.now()


def _kept_of(dataset: Dataset, *, ready: bool) -> Callable[[str], bool]:
    canonical = dataset.canonical_prefix

    def is_kept(key: str) -> bool:
        return ready and (
            key == dataset.upload_key or (canonical is not None and key.startswith(canonical))
        )

    return is_kept


def _delete(store: ObjectStore, prefix: str, is_kept: Callable[[str], bool]) -> None:
    for key in list(store.keys(prefix)):
        if not is_kept(key):
            store.delete(key)
