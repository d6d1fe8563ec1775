"""The figures of the database, after things really happened in it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import delete, update

from core import database, lifecycle, steps, webhooks
from core.database import transaction
from core.ids import new_id
from core.pools import COMPUTE
from core.problem import Problem
from core.settings import Settings
from core.tables import Step, Webhook, WebhookDelivery
from tests.rows import add_dataset, add_job, add_tenant
from worker import flow
from worker.figures import DatabaseFigures

Value = Callable[..., float]


@pytest.fixture
def value(servers: Settings) -> Value:
    """The value of a figure now; 0 if it has not been counted yet."""
    with transaction() as session:
        session.execute(
            update(Step).where(Step.status == steps.QUEUED).values(status=steps.DROPPED)
        )
    registry = CollectorRegistry()
    registry.register(DatabaseFigures(lag=timedelta(0)))
    list(registry.collect())  # begins to look

    def read(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, labels) or 0.0

    return read


def start_job() -> str:
    with transaction() as session:
        dataset = add_dataset(session)
        job = add_job(session, dataset)
        steps.enqueue(
            session,
            kind="train",
            pool=COMPUTE,
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            job_id=job.id,
        )
        return job.id


def take() -> steps.Claim:
    with transaction() as session:
        claim = steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS)
    assert claim is not None
    with transaction() as session:
        assert flow.begin(session, claim)
    return claim


def test_the_queue_and_what_became_of_it(value: Value) -> None:
    running = value("unlearnable_steps", pool=COMPUTE, status="running")
    jobs = value("unlearnable_jobs", status="queued")
    start_job()
    assert value("unlearnable_steps", pool=COMPUTE, status="queued") == 1
    assert value("unlearnable_jobs", status="queued") == jobs + 1
    assert 0 < value("unlearnable_oldest_queued_seconds", pool=COMPUTE) < 60

    claim = take()
    assert value("unlearnable_steps", pool=COMPUTE, status="queued") == 0
    assert value("unlearnable_steps", pool=COMPUTE, status="running") == running + 1
    assert value("unlearnable_oldest_queued_seconds", pool=COMPUTE) == 0

    with transaction() as session:
        flow.lose(session, claim, Problem("worker_lost", "Gone."), max_lost=3)
    assert value("unlearnable_steps_lost_total", kind="train", code="worker_lost") == 1

    claim = take()
    with transaction() as session:
        flow.fail(session, claim, Problem("out_of_memory", "Too large."))
    ended = {"status": "failed", "code": "out_of_memory"}
    assert value("unlearnable_jobs_finished_total", **ended) == 1
    assert value("unlearnable_jobs_finished_total", **ended) == 1  # once, however often one asks
    for phase in ("queued", "training"):
        assert value("unlearnable_job_phase_seconds_count", phase=phase) == 1
        assert 0 <= value("unlearnable_job_phase_seconds_sum", phase=phase) < 60


def test_speed_and_accuracy(value: Value) -> None:
    job_id = start_job()
    claim = take()
    with transaction() as session:
        session.execute(
            update(Step)
            .where(Step.id == claim.step_id)
            .values(started_at=Step.started_at - timedelta(seconds=10))
        )
        steps.finish(session, claim, {"images": 640})
        job = lifecycle.lock_job(session, job_id)
        job.evaluation = {"baseline_accuracy": 98.5, "protected_accuracy": 2.5}
        lifecycle.change_job(session, job, lifecycle.SUCCEEDED)
    assert value("unlearnable_images_total", kind="train") == 640
    assert value("unlearnable_step_seconds_total", kind="train") == pytest.approx(10, abs=3)
    assert value("unlearnable_images_per_second", kind="train") == pytest.approx(64, rel=0.3)
    assert value("unlearnable_victim_accuracy_percent", trained_on="clean") == 98.5
    assert value("unlearnable_victim_accuracy_percent", trained_on="protected") == 2.5
    assert value("unlearnable_jobs_finished_total", status="succeeded", code="") == 1


def test_webhooks_that_fail_and_messages_that_wait(value: Value) -> None:
    failing, sound = (value("unlearnable_webhooks", state=state) for state in ("failing", "sound"))
    gone = value("unlearnable_webhooks_disabled_total", reason="gone")
    with transaction() as session:
        tenant = add_tenant(session)
        one, other = (
            Webhook(
                id=new_id("wh"),
                tenant_id=tenant,
                url="https://example.com/",
                events=["*"],
                description="",
                salt="",
                failing_since=since,
            )
            for since in (None, datetime.now(UTC))
        )
        session.add_all([one, other])
        session.flush()
        session.execute(delete(WebhookDelivery))
        message = webhooks.post_test(session, one)
        message.next_attempt_at = datetime.now(UTC) - timedelta(minutes=10)
    assert value("unlearnable_webhooks", state="failing") == failing + 1
    assert value("unlearnable_webhooks", state="sound") == sound + 1
    assert value("unlearnable_webhook_messages_pending") == 1
    assert 600 <= value("unlearnable_webhook_late_seconds") < 1200
    with transaction() as session:
        webhooks.disable(session, session.get_one(Webhook, one.id), webhooks.GONE)
        webhooks.disable(session, session.get_one(Webhook, other.id), webhooks.OWNER)
    assert value("unlearnable_webhooks", state="failing") == failing
    assert value("unlearnable_webhooks_disabled_total", reason="gone") == gone + 1
    assert value("unlearnable_webhook_late_seconds") == 0


def test_a_database_that_is_away_is_said_so(value: Value, monkeypatch: pytest.MonkeyPatch) -> None:
    assert value("unlearnable_database_up") == 1
    broken = database.get_engine().url.set(database="gone").render_as_string(False)
    settings = database.get_settings().model_copy(update={"database_url": broken})
    monkeypatch.setattr(database, "get_settings", lambda: settings)
    assert value("unlearnable_database_up") == 0
    assert value("unlearnable_jobs", status="queued") == 0
