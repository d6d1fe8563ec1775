"""The clean baseline is trained once, whoever needs it and when."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import lifecycle, steps
from core.database import transaction
from core.problem import Problem
from core.settings import Settings
from core.tables import Baseline, Dataset, Job, Step
from tests.locks import right_after
from tests.worker.played_jobs import (
    COMPUTE,
    EVALUATIONS,
    RESULTS,
    add_dataset,
    do,
    empty_queue,
    job_of,
    nothing_waits,
    pause,
    resume,
    start_job,
    take,
)
from worker import flow, progress
from worker.waiting import release_waiting_steps


@pytest.fixture(autouse=True)
def _empty_queue(servers: Settings) -> None:
    """Steps that other tests left in the queue would be claimed first."""
    empty_queue()


@pytest.fixture
def dataset() -> Dataset:
    return add_dataset()


def to_evaluations(dataset: Dataset) -> str:
    """A new job that is about to be evaluated."""
    job_id = start_job(dataset)
    assert [do(job_id), do(job_id)] == ["train", "protect"]
    return job_id


def two_to_evaluations(dataset: Dataset) -> tuple[str, str]:
    """Two such jobs; the first one's steps come first."""
    first = to_evaluations(dataset)
    pause(first)
    second = to_evaluations(dataset)
    resume(first)
    return first, second


def finish(claim: steps.Claim, **result: Any) -> None:
    with transaction() as session:
        flow.advance(session, claim, RESULTS[claim.kind] | result)


def train_beside(job_id: str) -> steps.Claim:
    """A training under way, that has said which baselines its job needs."""
    training = take(job_id)
    for _ in range(2):  # a second attempt says it again
        with transaction() as session:
            flow.add_baselines(session, training, EVALUATIONS[:1])
    return training


def begin_next() -> tuple[steps.Claim, bool]:
    with transaction() as session:
        claim = steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS)
    assert claim is not None
    with transaction() as session:
        return claim, flow.begin(session, claim)


def baselines_of(job_id: str) -> list[Step]:
    with transaction() as session:
        rows = session.scalars(select(Step).where(Step.job_id == job_id, Step.kind == "evaluate"))
        return [step for step in rows if step.payload["side"] == "clean"]


def test_a_second_worker_trains_the_baseline_while_the_generator_is_trained(
    dataset: Dataset,
) -> None:
    job_id = start_job(dataset)
    training = train_beside(job_id)
    baseline = take(job_id)
    assert baseline.kind == "baseline"
    with transaction() as session:
        progress.note_progress(session, training, 0.5, {"loss": 1.5})
        progress.note_progress(session, baseline, 0.9, {"clean_accuracy": 98.0})
    job = job_of(job_id)
    assert (job.phase, job.metrics) == ("training", {"loss": 1.5})
    assert job.progress == pytest.approx(0.5 * progress.SHARES["protection"]["train"])
    finish(baseline, accuracy=97.5, images=100)
    assert nothing_waits()  # no report yet
    finish(training)
    assert do(job_id) == "protect"
    assert [step.result for step in baselines_of(job_id)] == [{"accuracy": 97.5}]
    assert [do(job_id), do(job_id)] == ["evaluate", "report"]
    assert job_of(job_id).status == "succeeded"


def test_the_evaluation_waits_for_a_baseline_under_way(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    training = train_beside(job_id)
    baseline = take(job_id)
    finish(training)
    assert do(job_id) == "protect"
    waiting, begun = begin_next()
    assert (waiting.payload["side"], begun) == ("clean", False)
    assert do(job_id) == "evaluate"
    assert nothing_waits()
    finish(baseline, accuracy=97.5)
    release_waiting_steps()
    assert [step.result for step in baselines_of(job_id)] == [{"accuracy": 97.5}]
    assert do(job_id) == "report"


def test_a_single_worker_leaves_the_baseline_to_the_evaluation(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    finish(train_beside(job_id))
    assert [do(job_id) for _ in range(4)] == ["protect", "evaluate", "evaluate", "report"]


def test_a_worker_trains_another_generator_before_a_baseline(dataset: Dataset) -> None:
    first, second = start_job(dataset), start_job(dataset)
    train_beside(first)
    assert take(second).kind == "train"


def test_a_baseline_that_another_job_trains_is_left_to_it(dataset: Dataset) -> None:
    first, second = start_job(dataset), start_job(dataset)
    train_beside(first)
    train_beside(second)
    assert begin_next()[1] is True
    other, begun = begin_next()
    assert (other.job_id, other.kind, begun) == (second, "baseline", False)
    assert nothing_waits()


@pytest.mark.parametrize("end", [flow.fail, partial(flow.lose, max_lost=1)])
def test_a_baseline_that_fails_ahead_does_not_fail_the_training(
    dataset: Dataset, end: Callable[[Session, steps.Claim, Problem], None]
) -> None:
    job_id = start_job(dataset)
    training = train_beside(job_id)
    baseline = take(job_id)
    with transaction() as session:
        end(session, baseline, Problem("out_of_memory", "Too large."))
    assert job_of(job_id).status == "running"
    finish(training)
    assert [do(job_id) for _ in range(4)] == ["protect", "evaluate", "evaluate", "report"]


def test_a_baseline_waits_behind_what_another_tenant_has_waiting(dataset: Dataset) -> None:
    other = add_dataset()
    first, second, third = start_job(dataset), start_job(other), start_job(other)
    training = take(first)
    take(second)
    with transaction() as session:
        flow.add_baselines(session, training, EVALUATIONS[:1])
    assert take(third).kind == "train"


@pytest.mark.parametrize("ends", [lifecycle.request_cancel, lifecycle.request_pause])
def test_no_baseline_is_added_to_a_job_that_stops(
    dataset: Dataset, ends: Callable[[Session, Job], None]
) -> None:
    job_id = start_job(dataset)
    training = take(job_id)
    with transaction() as session:
        ends(session, lifecycle.lock_job(session, job_id))
        flow.add_baselines(session, training, EVALUATIONS[:1])
    assert nothing_waits()


def test_a_job_that_rests_has_its_baseline_rest(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    training = train_beside(job_id)
    baseline = take(job_id)
    pause(job_id)
    with transaction() as session:
        flow.give_back(session, baseline)
    assert job_of(job_id).status == "pausing"
    with transaction() as session:
        flow.give_back(session, training)
    assert job_of(job_id).status == "paused"
    assert nothing_waits()
    resume(job_id)
    assert [do(job_id) for _ in range(4)] == ["train", "protect", "evaluate", "evaluate"]


def test_the_same_bytes_uploaded_again_have_their_baseline_already() -> None:
    first = add_dataset(sha256="5a")
    job_id = to_evaluations(first)
    while job_of(job_id).status != "succeeded":
        do(job_id)
    again = to_evaluations(add_dataset(first.tenant_id, sha256="5a"))
    assert [step.status for step in baselines_of(again)] == [steps.DONE]
    empty_queue()
    others = [add_dataset(first.tenant_id, sha256="5b"), add_dataset(sha256="5a")]
    for other in others:
        assert [step.status for step in baselines_of(to_evaluations(other))] == [steps.QUEUED]
        empty_queue()


def test_of_two_jobs_that_need_a_baseline_at_once_one_trains_it(dataset: Dataset) -> None:
    first, second = two_to_evaluations(dataset)
    training, begun = begin_next()
    assert (training.job_id, training.payload["side"], begun) == (first, "clean", True)
    do(first)  # its other evaluation
    waiting, begun = begin_next()
    assert (waiting.job_id, waiting.payload["side"], begun) == (second, "clean", False)
    assert [step.status for step in baselines_of(second)] == [steps.WAITING]
    do(second)
    release_waiting_steps()
    assert nothing_waits()
    finish(training, accuracy=97.5)
    release_waiting_steps()
    assert [step.result for step in baselines_of(second)] == [{"accuracy": 97.5}]
    assert [do(first), do(second)] == ["report", "report"]
    assert job_of(second).status == "succeeded"


@pytest.mark.parametrize("end", ["cancelled", "given back", "lost"])
def test_a_baseline_that_does_not_come_is_trained_after_all(dataset: Dataset, end: str) -> None:
    first, second = two_to_evaluations(dataset)
    training, _ = begin_next()
    do(first)
    begin_next()
    with transaction() as session:
        if end == "cancelled":
            lifecycle.request_cancel(session, lifecycle.lock_job(session, first))
            flow.give_back(session, training)
        elif end == "given back":
            flow.give_back(session, training)
        else:
            flow.lose(session, training, Problem("worker_lost", "Gone."), max_lost=3)
    release_waiting_steps()
    assert [step.status for step in baselines_of(second)] == [steps.QUEUED]


def test_a_waiting_step_rests_and_ends_with_its_job(dataset: Dataset) -> None:
    first, second = two_to_evaluations(dataset)
    training, _ = begin_next()
    do(first)
    begin_next()
    pause(second)
    assert job_of(second).status == "paused"
    finish(training)
    release_waiting_steps()
    assert [step.status for step in baselines_of(second)] == [steps.DONE]
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, second))
    assert job_of(second).status == "cancelled"


def test_of_a_deleted_dataset_no_baseline_stays(dataset: Dataset) -> None:
    job_id = to_evaluations(dataset)
    while job_of(job_id).status != "succeeded":
        do(job_id)
    mine = select(Baseline.key).where(Baseline.tenant_id == dataset.tenant_id)
    with transaction() as session:
        assert session.scalars(mine).all()
        row = lifecycle.lock_dataset(session, dataset.id)
        assert row is not None
        lifecycle.change_dataset(session, row, lifecycle.DELETED)
        assert not session.scalars(mine).all()


def test_a_baseline_that_goes_between_two_looks_is_trained(dataset: Dataset) -> None:
    """The same bytes were another dataset, too, which was deleted at that moment."""
    first, second = two_to_evaluations(dataset)
    training, _ = begin_next()
    do(first)
    mine = Baseline.tenant_id == dataset.tenant_id

    def forget() -> None:
        with transaction() as session:
            session.execute(delete(Baseline).where(mine))

    with right_after("INSERT INTO baselines", dataset.tenant_id, forget):
        claim, begun = begin_next()
    assert (claim.job_id, begun) == (second, True)
    finish(training)
    finish(claim)
