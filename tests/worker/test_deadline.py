"""Jobs that are too late fail, wherever they are, and leave nothing running."""

from datetime import UTC, datetime, timedelta

import pytest

from core import lifecycle, steps
from core.database import transaction
from core.settings import Settings
from core.tables import Dataset, Job
from tests.worker.played_jobs import (
    add_dataset,
    empty_queue,
    events_of,
    job_of,
    nothing_waits,
    pause,
    start_job,
    take,
)
from worker import flow, progress


@pytest.fixture(autouse=True)
def _empty_queue(servers: Settings) -> None:
    """Steps that other tests left in the queue would be claimed first."""
    empty_queue()


@pytest.fixture
def dataset() -> Dataset:
    return add_dataset()


def set_deadline(job_id: str, seconds: float) -> None:
    with transaction() as session:
        session.get_one(Job, job_id).deadline_at = datetime.now(UTC) + timedelta(seconds=seconds)


def is_late(job_id: str) -> bool:
    job = job_of(job_id)
    return job.status == lifecycle.FAILED and (job.error or {})["code"] == "deadline_exceeded"


@pytest.mark.parametrize("state", ["queued", "paused", "running", "pausing"])
def test_the_sweeper_ends_a_late_job_in_any_state(
    servers: Settings, dataset: Dataset, state: str
) -> None:
    from worker.sweeper import end_late_jobs  # needs to know where the servers are

    job_id, in_time = start_job(dataset), start_job(dataset)
    claim = take(job_id) if state in {"running", "pausing"} else None
    if state in {"paused", "pausing"}:
        pause(job_id)
    assert job_of(job_id).status == state
    set_deadline(job_id, -1)
    set_deadline(in_time, 3600)
    for _ in range(2):
        end_late_jobs(servers)
    assert is_late(job_id)
    assert events_of(job_id)[-1] == "job.failed"
    assert job_of(in_time).status == lifecycle.QUEUED
    if claim is not None:
        with pytest.raises(steps.LeaseLost), transaction() as session:
            steps.renew(session, claim, 60)


def test_a_job_that_is_being_cancelled_is_cancelled(servers: Settings, dataset: Dataset) -> None:
    from worker.sweeper import end_late_jobs

    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    set_deadline(job_id, -1)
    end_late_jobs(servers)
    with transaction() as session:
        flow.give_back(session, claim)
    assert job_of(job_id).status == lifecycle.CANCELLED


def test_a_worker_sees_it_without_the_sweeper(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    set_deadline(job_id, 3600)
    with transaction() as session:
        assert not progress.note_progress(session, claim, 0.5, {"loss": 1.0})
    set_deadline(job_id, -1)
    with transaction() as session:
        assert progress.note_progress(session, claim, 0.6, {})
    assert is_late(job_id)
    assert nothing_waits()


def test_a_late_job_is_not_begun(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    set_deadline(job_id, -1)
    with transaction() as session:
        claim = steps.claim(session, "compute", "tester", 60, kinds=flow.KINDS)
    assert claim is not None
    with transaction() as session:
        assert not flow.begin(session, claim)
    assert is_late(job_id)
    assert job_of(job_id).started_at is None
