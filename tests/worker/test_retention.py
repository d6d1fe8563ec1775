"""What has been kept as long as the settings say is let go of, and nothing sooner."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ColumnElement, text

from core import lifecycle
from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from core.tables import Artifact, Dataset, Job
from tests import rows
from tests.locks import wait_until_blocking
from worker import retention
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


def test_a_job_that_begins_during_the_look_keeps_its_dataset(
    servers: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is committed after the statement's snapshot, and before the lock on the dataset."""
    dataset = add_dataset(OLD, retention_seconds=1)
    end = retention.retention_end

    def end_after_a_wait() -> ColumnElement[Any]:
        wait = text("(SELECT interval '0' FROM (SELECT pg_advisory_xact_lock(7)) AS waited)")
        return end().op("+")(wait)

    monkeypatch.setattr(retention, "retention_end", end_after_a_wait)
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.execute(text("SELECT pg_advisory_xact_lock(7)"))
            looking = pool.submit(expire_datasets, servers)
            wait_until_blocking(session)
            job_id = add_job(dataset, "queued", None)
        looking.result(60)
    assert status_of(dataset) == "ready"
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    expire_datasets(servers)
    assert status_of(dataset) == "deleted"


@pytest.mark.parametrize("kind", ["conversion", "evaluation"])
def test_files_that_another_job_reads_stay_until_it_has_ended(
    settings: Settings, kind: str
) -> None:
    dataset = add_dataset(YOUNG)
    old = add_job(dataset, "succeeded", OLD)
    with transaction() as session:
        parent_id = old if kind == "conversion" else None
        reader = rows.add_job(session, dataset, kind=kind, parent_id=parent_id)
    expire_results(settings)
    assert artifacts_of(old) == 1
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, reader.id))
    expire_results(settings)
    assert artifacts_of(old) == 0
