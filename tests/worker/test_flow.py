"""The life of a job on a real PostgreSQL; only the results of its steps are made up."""

from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import undefer

from core import lifecycle, steps
from core.database import transaction
from core.doorbell import COMPUTE
from core.ids import new_id
from core.problem import Problem
from core.settings import Settings
from core.tables import Artifact, Dataset, Event, Job, MetricPoint, Step, Tenant
from worker import flow

EVALUATIONS = [
    {"victim": "paper-mnist-cnn", "epochs": 3, "seed": 0, "side": side}
    for side in ("clean", "protected")
]
RESULTS: dict[str, dict[str, Any]] = {
    "train": {"seconds": 1.0},
    "protect": {"evaluations": EVALUATIONS},
    "evaluate": {"accuracy": 50.0},
    "report": {
        "generator": {
            "generator": {"object_key": "g", "size_bytes": 1, "sha256": "0"},
            "plan": {},
            "summary": {},
            "seconds": 1.0,
        },
        "evaluation": {"baseline_accuracy": 97.0},
        "artifacts": [
            {
                "kind": "evaluation",
                "name": "evaluation.json",
                "content_type": "application/json",
                "object_key": "k",
                "size_bytes": 2,
                "sha256": "0",
            }
        ],
    },
}


@pytest.fixture(autouse=True)
def _empty_queue(servers: Settings) -> None:
    """Steps that other tests left in the queue would be claimed first."""
    with transaction() as session:
        session.execute(
            update(Step).where(Step.status == steps.QUEUED).values(status=steps.DROPPED)
        )


@pytest.fixture
def dataset() -> Dataset:
    with transaction() as session:
        tenant = Tenant(id=new_id("ten"), name=new_id("name"))
        session.add(tenant)
        session.flush()
        dataset = Dataset(
            id=new_id("ds"),
            tenant_id=tenant.id,
            name="d",
            status=lifecycle.READY,
            size_bytes=1,
            sha256="",
            upload_key="",
        )
        session.add(dataset)
        return dataset


def start_job(dataset: Dataset) -> str:
    with transaction() as session:
        job = Job(
            id=new_id("job"),
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            status=lifecycle.QUEUED,
            epsilon="3/10",
            seed=0,
            budget_seconds=1,
        )
        session.add(job)
        session.flush()
        steps.enqueue(
            session,
            kind="train",
            pool=COMPUTE,
            tenant_id=job.tenant_id,
            dataset_id=dataset.id,
            job_id=job.id,
        )
        return job.id


def take(job_id: str) -> steps.Claim:
    """Claim the next step."""
    with transaction() as session:
        claim = steps.claim(session, COMPUTE, "tester", 60)
    assert claim is not None
    assert claim.job_id == job_id
    with transaction() as session:
        flow.begin(session, claim)
    return claim


def do(job_id: str) -> str:
    """Claim the next step and finish it."""
    claim = take(job_id)
    with transaction() as session:
        flow.advance(session, claim, RESULTS[claim.kind])
    return claim.kind


def job_of(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id, options=[undefer(Job.evaluation)])


def events_of(job_id: str) -> list[str]:
    with transaction() as session:
        rows = session.scalars(select(Event).where(Event.subject_id == job_id).order_by(Event.id))
        return [
            f"{row.type} {row.data['phase']}" if "phase" in row.data else row.type for row in rows
        ]


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
            assert flow.note_progress(session, claim, fraction, {"step": 7}) is False
        seen.append(job_of(job_id).progress)
    assert seen == sorted(seen)
    assert seen[1] == pytest.approx(0.5 * flow.SHARES["protection"]["train"])
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
        assert steps.claim(session, COMPUTE, "tester", 60) is None
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))  # again: no harm


def test_a_running_job_is_cancelled_once_its_step_has_stopped(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job_id))
    with transaction() as session:
        assert flow.note_progress(session, claim, 0.5, {}) is True
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
        assert steps.claim(session, COMPUTE, "tester", 60) is None
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
        second = steps.claim(session, COMPUTE, "tester", 60)
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
        flow.note_progress(session, claim, 0.5, {"loss": float("nan"), "outer": 1.5})
    assert job_of(job_id).metrics == {"outer": 1.5}
    with transaction() as session:
        flow.fail(session, claim, Problem("x", "y"))


def test_a_series_keeps_the_points_that_it_shall(dataset: Dataset) -> None:
    job_id = start_job(dataset)
    claim = take(job_id)
    for loss, keep in ((2.0, True), (1.5, False), (float("nan"), True), (1.0, True)):
        with transaction() as session:
            flow.note_progress(session, claim, 0.5, {"loss": loss}, keep=keep)
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
        assert steps.claim(session, COMPUTE, "tester", 60) is None


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
        claim = steps.claim(session, step.pool, "tester", 60)
    assert claim is not None
    with transaction() as session:
        flow.reject(session, claim, Problem("zip_damaged", "Upload it again.", "a.png"))
    with transaction() as session:
        row = session.get_one(Dataset, dataset.id)
        assert row.status == "rejected"
        assert row.error is not None
        assert row.error["param"] == "a.png"
        assert session.get_one(Step, claim.step_id).status == "failed"


def pause(job_id: str) -> None:
    with transaction() as session:
        lifecycle.request_pause(session, lifecycle.lock_job(session, job_id))


def resume(job_id: str) -> None:
    with transaction() as session:
        lifecycle.request_resume(session, lifecycle.lock_job(session, job_id))


def nothing_waits() -> bool:
    with transaction() as session:
        return steps.claim(session, COMPUTE, "tester", 60) is None


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
        claim = steps.claim(session, COMPUTE, "tester", 60)
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
