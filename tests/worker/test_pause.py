"""Jobs that rest: nothing that was done is lost, and nothing runs."""

import pytest

from core import lifecycle, steps
from core.database import transaction
from core.problem import Problem
from core.settings import Settings
from core.tables import Dataset
from tests.worker.played_jobs import (
    COMPUTE,
    RESULTS,
    add_dataset,
    do,
    empty_queue,
    events_of,
    job_of,
    nothing_waits,
    pause,
    resume,
    start_job,
    take,
)
from worker import flow


@pytest.fixture(autouse=True)
def _empty_queue(servers: Settings) -> None:
    """Steps that other tests left in the queue would be claimed first."""
    empty_queue()


@pytest.fixture
def dataset() -> Dataset:
    return add_dataset()


def test_a_waiting_job_rests_at_once_and_goes_on_where_it_was(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for _ in range(2):
        pause(job_id)
        assert job_of(job_id).status == "paused"
        assert nothing_waits()
    for _ in range(2):
        resume(job_id)
        assert job_of(job_id).status == "queued"
    assert [do(job_id) for _ in range(5)][-1] == "report"
    assert events_of(job_id)[:4] == ["job.pausing", "job.paused", "job.queued", "job.running"]


def test_a_running_job_rests_once_its_steps_are_given_back(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for _ in range(2):
        do(job_id)
    first, second = take(job_id), take(job_id)
    pause(job_id)
    with transaction() as session:
        flow.give_back(session, first)
    assert job_of(job_id).status == "pausing"
    with transaction() as session:
        flow.give_back(session, second)
    job = job_of(job_id)
    assert (job.status, job.estimated_finish_at) == ("paused", None)
    assert nothing_waits()
    started_at = job.started_at
    resume(job_id)
    assert [do(job_id) for _ in range(3)] == ["evaluate", "evaluate", "report"]
    assert job_of(job_id).started_at == started_at
    assert job_of(job_id).paused_seconds > 0


def test_a_step_that_ends_while_its_job_is_paused_is_kept(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    pause(job_id)
    with transaction() as session:
        flow.advance(session, claim, RESULTS["train"])
    assert job_of(job_id).status == "paused"
    assert nothing_waits()
    resume(job_id)
    assert do(job_id) == "protect"


def test_the_last_step_of_a_job_that_is_being_paused_ends_it(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for _ in range(4):
        do(job_id)
    claim = take(job_id)
    pause(job_id)
    with transaction() as session:
        flow.advance(session, claim, RESULTS["report"])
    assert job_of(job_id).status == "succeeded"


def test_who_thinks_again_while_a_job_is_being_paused_loses_nothing(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    pause(job_id)
    resume(job_id)
    assert job_of(job_id).status == "running"
    with transaction() as session:
        flow.give_back(session, claim)
    assert do(job_id) == "train"


def test_a_worker_lost_while_pausing_leaves_a_job_that_rests(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    pause(job_id)
    with transaction() as session:
        flow.lose(session, claim, Problem("worker_lost", "Gone."), max_lost=3)
    assert job_of(job_id).status == "paused"
    assert nothing_waits()


def test_a_step_claimed_while_its_job_is_paused_does_not_begin(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    with transaction() as session:
        claim = steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS)
    assert claim is not None
    pause(job_id)
    assert job_of(job_id).status == "pausing"
    with transaction() as session:
        assert flow.begin(session, claim) is False
    assert job_of(job_id).status == "paused"


@pytest.mark.parametrize("running", [False, True])
def test_a_paused_job_can_be_cancelled(dataset: Dataset, running: bool) -> None:
    job_id = start_job(dataset)
    claim = take(job_id) if running else None
    pause(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    if claim is not None:
        assert job_of(job_id).status == "cancelling"
        for change in (pause, resume):
            with pytest.raises(lifecycle.IllegalChange):
                change(job_id)
        with transaction() as session:
            flow.give_back(session, claim)
    assert job_of(job_id).status == "cancelled"
    assert nothing_waits()
    for change in (pause, resume):
        with pytest.raises(lifecycle.IllegalChange):
            change(job_id)
