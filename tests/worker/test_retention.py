"""What has been kept as long as the settings say is let go of, and nothing sooner."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from core.tables import Artifact, Dataset, Job
from tests import rows
from worker.retention import expire_datasets, expire_results

YOUNG, OLD = timedelta(days=1), timedelta(days=9)


@pytest.fixture
def settings(servers: Settings) -> Settings:
    return servers.model_copy(update={"keep_datasets_days": 7, "keep_results_days": 7})


def add_dataset(age: timedelta, **columns: Any) -> Dataset:
    with transaction() as session:
        return rows.add_dataset(session, ready_at=datetime.now(UTC) - age, **columns)


def add_job(dataset: Dataset, status: str, age: timedelta | None) -> str:
    job = new_id("job")
    with transaction() as session:
        now = datetime.now(UTC)
        finished = None if age is None else now - age
        rows.add_job(session, dataset, id=job, status=status, finished_at=finished, purged_at=now)
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=dataset.tenant_id,
                job_id=job,
                kind="preview",
                name="preview.png",
                content_type="image/png",
                object_key="k",
                size_bytes=1,
                sha256="",
            )
        )
    return job


def status_of(dataset: Dataset) -> str:
    with transaction() as session:
        return session.get_one(Dataset, dataset.id).status


def artifacts_of(job_id: str) -> int:
    with transaction() as session:
        return session.query(Artifact).where(Artifact.job_id == job_id).count()


def test_a_dataset_goes_once_nothing_has_used_it_for_long(settings: Settings) -> None:
    young, old, used, in_use, long_used = (add_dataset(age) for age in (YOUNG, OLD, OLD, OLD, OLD))
    add_job(used, "succeeded", YOUNG)
    add_job(in_use, "running", None)
    add_job(long_used, "failed", OLD)
    expire_datasets(settings)
    assert [status_of(one) for one in (young, old, used, in_use, long_used)] == [
        "ready",
        "deleted",
        "ready",
        "ready",
        "deleted",
    ]


def test_owners_choose_for_each_dataset(servers: Settings) -> None:
    day = 24 * 3600
    over, kept, busy = (add_dataset(OLD, retention_seconds=n * day) for n in (8, 10, 8))
    add_job(over, "succeeded", YOUNG)
    add_job(busy, "running", None)
    expire_datasets(servers)
    assert [status_of(one) for one in (over, kept, busy)] == ["deleted", "ready", "ready"]


def test_the_files_of_old_jobs_go_and_are_purged(settings: Settings) -> None:
    dataset = add_dataset(YOUNG)
    young = add_job(dataset, "succeeded", YOUNG)
    old = add_job(dataset, "succeeded", OLD)
    expire_results(settings)
    assert (artifacts_of(young), artifacts_of(old)) == (1, 0)
    with transaction() as session:
        assert session.get_one(Job, young).purged_at is not None
        assert session.get_one(Job, old).purged_at is None
        assert session.get_one(Job, old).status == "succeeded"


def test_by_default_nothing_goes(servers: Settings) -> None:
    dataset = add_dataset(OLD)
    job = add_job(dataset, "succeeded", OLD)
    expire_datasets(servers)
    expire_results(servers)
    assert (status_of(dataset), artifacts_of(job)) == ("ready", 1)
