"""Sweepers run anywhere, also several at once: each thing is repaired once."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, update

from core import steps
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix
from core.settings import Settings
from core.tables import Dataset, Job, Step
from tests.rows import add_dataset

SWEEPERS = 4
Concern = Callable[[Settings], None]


@pytest.fixture
def settings(servers: Settings) -> Settings:
    """As if the database had been up for long."""
    return servers.model_copy(update={"heartbeat_seconds": 0.001, "leftover_seconds": 3600.0})


@pytest.fixture
def sweep(servers: Settings) -> Concern:
    """Imported where the environment names the broker: Celery is told of it on import."""
    from worker import sweeper

    return sweeper.sweep


@pytest.fixture
def requeue_lost_steps(sweep: Concern) -> Concern:
    from worker import sweeper

    return sweeper.requeue_lost_steps


@pytest.fixture
def dataset(servers: Settings) -> Dataset:
    with transaction() as session:
        return add_dataset(session, status="validating")


def lost_step(dataset: Dataset) -> str:
    """A step whose worker has not been heard of since its lease ran out."""
    with transaction() as session:
        step = steps.enqueue(
            session,
            kind="ingest",
            pool=new_id("pool"),
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
        )
        claim = steps.claim(session, step.pool, "tester", 60, kinds=["ingest"])
        assert claim is not None
        session.execute(
            update(Step)
            .where(Step.id == step.id)
            .values(lease_expires_at=func.now() - timedelta(seconds=1))
        )
        return step.id


def finished_job(dataset: Dataset, store: ObjectStore) -> Job:
    """A job that failed an hour ago and has left a checkpoint."""
    with transaction() as session:
        job = Job(
            id=new_id("job"),
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            status="failed",
            epsilon="1/10",
            seed=0,
            budget_seconds=1,
            finished_at=datetime.now(UTC) - timedelta(hours=1),
        )
        session.add(job)
    store.put_bytes(f"{job_prefix(job.tenant_id, job.id)}attempts/a/checkpoint-1", b"x")
    return job


def test_several_at_once_repair_each_thing_once(
    settings: Settings, dataset: Dataset, sweep: Concern, caplog: pytest.LogCaptureFixture
) -> None:
    store = ObjectStore.from_settings(settings)
    lost = [lost_step(dataset) for _ in range(6)]
    jobs = [finished_job(dataset, store) for _ in range(6)]
    with caplog.at_level(logging.ERROR), ThreadPoolExecutor(SWEEPERS) as threads:
        list(threads.map(sweep, [settings] * SWEEPERS))
    assert caplog.records == []
    with transaction() as session:
        found = [session.get_one(Step, step_id) for step_id in lost]
        assert [(step.status, step.lost_count) for step in found] == [("queued", 1)] * 6
        assert all(session.get_one(Job, job.id).purged_at for job in jobs)
    assert [key for job in jobs for key in store.keys(job_prefix(job.tenant_id, job.id))] == []


def test_a_database_that_has_just_come_back_gives_workers_time(
    settings: Settings, dataset: Dataset, requeue_lost_steps: Concern
) -> None:
    """Nobody could renew a lease while it was away."""
    step_id = lost_step(dataset)
    requeue_lost_steps(settings.model_copy(update={"heartbeat_seconds": 1e6}))
    with transaction() as session:
        assert session.get_one(Step, step_id).status == "running"
    requeue_lost_steps(settings)
    with transaction() as session:
        assert session.get_one(Step, step_id).status == "queued"
