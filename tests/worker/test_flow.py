"""The life of a job on a real PostgreSQL; only the results of its steps are made up."""

import pytest
from sqlalchemy import select

from core import lifecycle, steps
from core.database import transaction
from core.ids import new_id
from core.problem import Problem
from core.settings import Settings
from core.tables import Artifact, Dataset, MetricPoint, Step
from tests.worker.played_jobs import (
    COMPUTE,
    RESULTS,
    add_dataset,
    do,
    empty_queue,
    events_of,
    job_of,
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


def test_a_job_goes_through_its_phases_and_publishes_at_the_end(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    assert job_of(job_id).status == "queued"
    done = [do(job_id) for _ in range(4)]
    assert done == ["train", "protect", "evaluate", "evaluate"]
    with transaction() as session:
        assert session.scalar(select(Artifact).where(Artifact.job_id == job_id)) is None
    assert do(job_id) == "report"

    job = job_of(job_id)
    assert (job.status, job.phase, job.progress) == ("succeeded", None, 1.0)
    assert job.evaluation == {"baseline_accuracy": 97.0}
    with transaction() as session:
        assert session.scalar(select(Artifact.name).where(Artifact.job_id == job_id))
    assert events_of(job_id) == [
        "job.running",
        "job.phase training",
        "job.phase protecting",
        "job.phase evaluating",
        "job.succeeded",
    ]


def test_the_clean_baseline_is_trained_once_per_dataset(dataset: Dataset) -> None:
    first = start_job(dataset)
    for _ in range(5):
        do(first)
    second = start_job(dataset)
    kinds = [do(second) for _ in range(4)]
    assert kinds == ["train", "protect", "evaluate", "report"]


def test_progress_never_goes_back_and_tells_when_it_ends(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    seen = []
    for fraction in (0.25, 0.5, 0.1):
        with transaction() as session:
            assert progress.note_progress(session, claim, fraction, {"step": 7}) is False
        seen.append(job_of(job_id).progress)
    assert seen == sorted(seen)
    assert seen[1] == pytest.approx(0.5 * progress.SHARES["protection"]["train"])
    assert job_of(job_id).estimated_finish_at is not None
    assert job_of(job_id).metrics == {"step": 7}
    with transaction() as session:
        flow.fail(session, claim, Problem("x", "y"))


def test_cancelling_a_queued_job_ends_it_at_once(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    assert job_of(job_id).status == "cancelled"
    with transaction() as session:
        assert steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS) is None
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))  # again: no harm


def test_a_running_job_is_cancelled_once_its_step_has_stopped(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    with transaction() as session:
        assert progress.note_progress(session, claim, 0.5, {}) is True
        assert flow.end_cancelled(session, job_id) is False
    with transaction() as session:
        lifecycle.lock_job(session, job_id)
        steps.write(session, claim, status=steps.DROPPED)
        assert flow.end_cancelled(session, job_id) is True
    assert job_of(job_id).status == "cancelled"


def test_cancelling_drops_the_steps_that_wait(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for _ in range(2):
        do(job_id)  # two evaluations wait now
    claim = take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
        assert steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS) is None
    assert job_of(job_id).status == "cancelling"
    with transaction() as session:
        lifecycle.lock_job(session, job_id)
        steps.drop(session, claim)
        assert flow.end_cancelled(session, job_id) is True


def test_a_job_cancelled_between_two_steps_ends_at_once(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    do(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    assert job_of(job_id).status == "cancelled"


def test_a_step_claimed_while_its_job_is_cancelled_does_not_begin(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for _ in range(2):
        do(job_id)
    first = take(job_id)
    with transaction() as session:
        second = steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS)
    assert second is not None
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    with transaction() as session:
        assert flow.begin(session, second) is False
    with transaction() as session:
        lifecycle.lock_job(session, job_id)
        steps.drop(session, first)
        assert flow.end_cancelled(session, job_id) is True


def test_a_metric_that_is_no_number_is_left_out(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        progress.note_progress(session, claim, 0.5, {"loss": float("nan"), "outer": 1.5})
    assert job_of(job_id).metrics == {"outer": 1.5}
    with transaction() as session:
        flow.fail(session, claim, Problem("x", "y"))


def test_a_series_keeps_the_points_that_it_shall(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    for loss, keep in ((2.0, True), (1.5, False), (float("nan"), True), (1.0, True)):
        with transaction() as session:
            progress.note_progress(session, claim, 0.5, {"loss": loss}, keep=keep)
    with transaction() as session:
        points = session.scalars(select(MetricPoint).where(MetricPoint.job_id == job_id)).all()
    assert [(point.phase, point.metrics) for point in points] == [
        ("training", {"loss": 2.0}),
        ("training", {"loss": 1.0}),
    ]


def test_a_job_tells_when_it_entered_each_state_and_phase(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    entered = job_of(job_id).timestamps
    assert sorted(entered, key=lambda name: entered[name]) == ["running", "training", "cancelling"]


def test_a_result_that_comes_after_the_cancellation_starts_nothing(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    with transaction() as session:
        flow.advance(session, claim, RESULTS["train"])
        assert flow.end_cancelled(session, job_id) is True
    with transaction() as session:
        assert steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS) is None


def test_a_failed_step_fails_its_job_with_the_reason(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        flow.fail(session, claim, Problem("out_of_memory", "Too large.", retryable=True))
    job = job_of(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["retryable"]) == ("out_of_memory", True)
    with pytest.raises(lifecycle.IllegalChange), transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))


def test_a_job_survives_two_lost_workers_and_fails_at_the_third(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    for expected in ("running", "running", "failed"):
        claim = take(job_id)
        with transaction() as session:
            flow.lose(session, claim, Problem("worker_lost", "Gone."), max_lost=3)
        assert job_of(job_id).status == expected
    assert job_of(job_id).error == Problem("worker_lost", "Gone.").to_json()


def test_illegal_changes_are_refused(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    with pytest.raises(lifecycle.IllegalChange), transaction() as session:
        lifecycle.change_job(session, lifecycle.lock_job(session, job_id), "succeeded")
    with pytest.raises(lifecycle.IllegalChange), transaction() as session:
        lifecycle.change_dataset(session, session.get_one(Dataset, dataset.id), "validating")
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))


def test_a_rejected_upload_says_why(dataset: Dataset) -> None:
    with transaction() as session:
        session.get_one(Dataset, dataset.id).status = lifecycle.VALIDATING
        step = steps.enqueue(
            session,
            kind="ingest",
            pool=new_id("pool"),
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
        )
        claim = steps.claim(session, step.pool, "tester", 60, kinds=["ingest"])
    assert claim is not None
    with transaction() as session:
        flow.reject(session, claim, Problem("zip_damaged", "Upload it again.", "a.png"))
    with transaction() as session:
        row = session.get_one(Dataset, dataset.id)
        assert row.status == "rejected"
        assert row.error is not None
        assert row.error["param"] == "a.png"
        assert session.get_one(Step, claim.step_id).status == "failed"
