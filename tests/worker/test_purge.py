"""What has come to rest keeps what its owner needs, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, update

from core import lifecycle, steps
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, dataset_prefix, job_prefix
from core.settings import Settings
from core.tables import Artifact, Dataset, Job, Step
from tests import rows
from worker.purge import purge_datasets, purge_jobs


@pytest.fixture(autouse=True)
def _nothing_else_to_purge(servers: Settings) -> None:
    """A sweep takes a batch; what other tests left would fill it."""
    with transaction() as session:
        for table in (Job, Dataset):
            session.execute(update(table).values(purged_at=func.now()))


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


def add_dataset(store: ObjectStore, status: str) -> Dataset:
    with transaction() as session:
        tenant, dataset = rows.add_tenant(session), new_id("ds")
        prefix = dataset_prefix(tenant, dataset)
        row = rows.add_dataset(
            session,
            tenant,
            id=dataset,
            status=status,
            upload_key=f"{prefix}upload",
            canonical_prefix=f"{prefix}attempts/b/canonical/",
        )
    for name in ("upload", "attempts/a/canonical/index.json", "attempts/b/canonical/index.json"):
        store.put_bytes(prefix + name, b"x")
    return row


def add_job(store: ObjectStore, dataset: Dataset, status: str, age: timedelta) -> str:
    job = new_id("job")
    prefix = job_prefix(dataset.tenant_id, job)
    with transaction() as session:
        finished = datetime.now(UTC) - age
        rows.add_job(session, dataset, id=job, status=status, finished_at=finished)
        if status == lifecycle.SUCCEEDED:
            session.add(
                Artifact(
                    id=new_id("art"),
                    tenant_id=dataset.tenant_id,
                    job_id=job,
                    kind="protected_dataset",
                    name="protected.npz",
                    content_type="application/octet-stream",
                    object_key=f"{prefix}attempts/b/protected.npz",
                    size_bytes=1,
                    sha256="",
                )
            )
    for name in ("checkpoint-1", "a/protected.npz", "b/protected.npz"):
        store.put_bytes(f"{prefix}attempts/{name}", b"x")
    return prefix


def names(store: ObjectStore, prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in store.keys(prefix)]


def test_a_job_that_succeeded_keeps_its_artifacts(store: ObjectStore, servers: Settings) -> None:
    prefix = add_job(store, add_dataset(store, "ready"), "succeeded", timedelta(hours=1))
    purge_jobs(servers)
    assert names(store, prefix) == ["attempts/b/protected.npz"]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_without_results_keeps_nothing(
    store: ObjectStore, servers: Settings, status: str
) -> None:
    prefix = add_job(store, add_dataset(store, "ready"), status, timedelta(hours=1))
    purge_jobs(servers)
    purge_jobs(servers)
    assert names(store, prefix) == []


@pytest.mark.parametrize(
    ("status", "age"), [("running", timedelta(hours=1)), ("failed", timedelta(0))]
)
def test_what_may_still_be_written_stays(
    store: ObjectStore, servers: Settings, status: str, age: timedelta
) -> None:
    prefix = add_job(store, add_dataset(store, "ready"), status, age)
    purge_jobs(servers)
    assert len(names(store, prefix)) == 3


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("ready", ["attempts/b/canonical/index.json", "upload"]),
        ("rejected", []),
        ("deleted", []),
    ],
)
def test_datasets(store: ObjectStore, servers: Settings, status: str, kept: list[str]) -> None:
    dataset = add_dataset(store, status)
    with transaction() as session:
        step = steps.enqueue(
            session,
            kind="ingest",
            pool="none",
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            status=steps.DONE,
        )
        step.finished_at = datetime.now(UTC)
    purge_datasets(servers)  # a worker that was thought dead may still write
    assert len(names(store, dataset_prefix(dataset.tenant_id, dataset.id))) == 3
    with transaction() as session:
        session.get_one(Step, step.id).finished_at = datetime.now(UTC) - timedelta(hours=1)
    purge_datasets(servers)
    assert names(store, dataset_prefix(dataset.tenant_id, dataset.id)) == kept
