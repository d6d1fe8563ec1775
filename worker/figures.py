"""What the database knows, as figures for Prometheus; the sweeper serves them.

States are asked for at each scrape. What happened is counted from the events that were written
since this process began to look, so a second sweeper counts the same again: take the maximum over
instances, never the sum.
"""

import itertools
import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Float, extract, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core import lifecycle, steps, webhooks
from core.database import transaction
from core.pools import POOLS
from core.tables import Dataset, Event, Job, Step, Webhook, WebhookDelivery
from worker import flow

# A transaction that took its event's number first may commit after one that took a later number.
LAG = timedelta(seconds=5)
BATCH = 1000
PHASES = ("training", "protecting", "evaluating")
PHASE_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600)

log = logging.getLogger(__name__)


class DatabaseFigures(Collector):
    """A collector that asks the database when it is scraped, one scrape at a time.

    Args:
        lag: how old an event must be to be counted.
    """

    def __init__(self, lag: timedelta = LAG) -> None:
        self._lag = lag
        self._seen: int | None = None  # the last event counted
        self._mutex = threading.Lock()
        self._counted = CollectorRegistry()
        self._finished = Counter(
            "unlearnable_jobs_finished",
            "Jobs that ended, by how, and by the code of their error.",
            ("status", "code"),
            registry=self._counted,
        )
        self._phases = Histogram(
            "unlearnable_job_phase_seconds",
            "How long ended jobs were in each phase, and in the queue before.",
            ("phase",),
            buckets=PHASE_BUCKETS,
            registry=self._counted,
        )
        self._lost = Counter(
            "unlearnable_steps_lost",
            "Steps whose worker or process was lost and that were queued again.",
            ("kind", "code"),
            registry=self._counted,
        )
        self._disabled = Counter(
            "unlearnable_webhooks_disabled",
            "Webhooks that were disabled because their receiver is gone or keeps failing.",
            ("reason",),
            registry=self._counted,
        )
        self._images = Counter(
            "unlearnable_images",
            "Images that the steps of ended jobs and of ready datasets went through.",
            ("kind",),
            registry=self._counted,
        )
        self._seconds = Counter(
            "unlearnable_step_seconds",
            "Seconds that those steps took, from their first claim; images over seconds is speed.",
            ("kind",),
            registry=self._counted,
        )
        self._speed = Gauge(
            "unlearnable_images_per_second",
            "Speed of the last such step.",
            ("kind",),
            registry=self._counted,
        )

    def describe(self) -> list[Metric]:
        """Nothing: registering must not need a database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All figures; while the database is away, only that it is."""
        up = GaugeMetricFamily("unlearnable_database_up", "Whether the database answered.")
        with self._mutex:
            try:
                with transaction() as session:
                    states = [
                        *_queue(session),
                        *_counts(session),
                        *_accuracy(session),
                        *_webhooks(session),
                    ]
                    self._count_events(session)
            except SQLAlchemyError as error:
                log.warning("no figures: the database is away", exc_info=error)
                up.add_metric([], 0)
                yield up
                return
            up.add_metric([], 1)
            yield up
            yield from states
            yield from self._counted.collect()

    def _count_events(self, session: Session) -> None:
        if self._seen is None:
            self._seen = session.scalar(select(func.max(Event.id))) or 0
        while True:
            events = session.scalars(
                select(Event)
                .where(Event.id > self._seen, Event.created_at <= func.now() - self._lag)
                .order_by(Event.id)
                .limit(BATCH)
            ).all()
            for event in events:
                self._count(session, event)
            if not events:
                return
            self._seen = events[-1].id

    def _count(self, session: Session, event: Event) -> None:
        noun, _, what = event.type.partition(".")
        code = event.data.get("code") or ""
        if event.type == "step.lost":
            self._lost.labels(event.data.get("kind", ""), code).inc()
        elif noun == "job" and what in lifecycle.FINAL:
            self._finished.labels(what, code).inc()
            job = session.get(Job, event.subject_id)
            if job is not None:
                self._count_phases(job)
                self._count_steps(session, Step.job_id == job.id)
        elif event.type == webhooks.DISABLED:
            self._disabled.labels(event.data["reason"]).inc()
        elif event.type == "dataset.ready":
            self._count_steps(session, Step.dataset_id == event.subject_id, Step.job_id.is_(None))

    def _count_phases(self, job: Job) -> None:
        if job.started_at is not None:
            waited = (job.started_at - job.created_at).total_seconds()
            self._phases.labels("queued").observe(waited)
        moments = sorted(
            (datetime.fromisoformat(moment), name) for name, moment in job.timestamps.items()
        )
        for (begun, name), (ended, _) in itertools.pairwise(moments):
            if name in PHASES:
                self._phases.labels(name).observe((ended - begun).total_seconds())

    def _count_steps(self, session: Session, *which: Any) -> None:
        took = extract("epoch", Step.finished_at - Step.started_at).cast(Float)
        images = Step.result["images"].as_float()
        rows = session.execute(
            select(Step.kind, took, images)
            .where(*which, Step.status == steps.DONE, Step.started_at.is_not(None))
            .order_by(Step.finished_at)
        )
        for kind, seconds, count in rows:
            self._seconds.labels(kind).inc(seconds or 0)
            if count and seconds:
                self._images.labels(kind).inc(count)
                self._speed.labels(kind).set(count / seconds)


def _queue(session: Session) -> Iterator[Metric]:
    """What waits and what runs, by pool; a pool in which nothing does is told, too."""
    age = extract("epoch", func.now() - func.min(Step.queued_at)).cast(Float)
    rows = session.execute(
        select(Step.pool, Step.status, func.count(), age)
        .where(
            Step.status.in_((steps.QUEUED, steps.RUNNING)),
            # Done ahead if somebody is free: no backlog, and no reason for another worker.
            (Step.status == steps.RUNNING) | (Step.kind != flow.BASELINE),
        )
        .group_by(Step.pool, Step.status)
    )
    found = {(pool, status): (count, seconds) for pool, status, count, seconds in rows}
    depth = GaugeMetricFamily(
        "unlearnable_steps", "Steps that wait or run.", labels=("pool", "status")
    )
    oldest = GaugeMetricFamily(
        "unlearnable_oldest_queued_seconds",
        "How long the job of the oldest waiting step has been there.",
        labels=("pool",),
    )
    for pool in POOLS:
        for status in (steps.QUEUED, steps.RUNNING):
            row = found.get((pool, status))
            depth.add_metric((pool, status), row[0] if row else 0)
        row = found.get((pool, steps.QUEUED))
        oldest.add_metric((pool,), row[1] if row else 0)
    yield depth
    yield oldest


def _counts(session: Session) -> Iterator[Metric]:
    for name, table in (("jobs", Job), ("datasets", Dataset)):
        family = GaugeMetricFamily(
            f"unlearnable_{name}", f"How many {name} are in each state.", labels=("status",)
        )
        states = lifecycle.JOB_CHANGES if table is Job else lifecycle.DATASET_CHANGES
        counts: dict[str, int] = dict.fromkeys(states, 0)
        for status, count in session.execute(
            select(table.status, func.count()).group_by(table.status)
        ):
            counts[status] = count
        for status, count in counts.items():
            family.add_metric((status,), count)
        yield family


def _accuracy(session: Session) -> Iterator[Metric]:
    """Of the newest job that succeeded."""
    family = GaugeMetricFamily(
        "unlearnable_victim_accuracy_percent",
        "Clean-test accuracy of the fresh victims of the newest job that succeeded.",
        labels=("trained_on",),
    )
    row = session.execute(
        select(
            Job.evaluation["baseline_accuracy"].as_float(),
            Job.evaluation["protected_accuracy"].as_float(),
        )
        .where(Job.status == lifecycle.SUCCEEDED, Job.evaluation.is_not(None))
        .order_by(Job.id.desc())
        .limit(1)
    ).one_or_none()
    for trained_on, accuracy in zip(("clean", "protected"), row or (), strict=False):
        if accuracy is not None:
            family.add_metric((trained_on,), accuracy)
    yield family


def _webhooks(session: Session) -> Iterator[Metric]:
    """Whether receivers answer, and whether anybody sends."""
    enabled, failing = session.execute(
        select(func.count(), func.count(Webhook.failing_since)).where(Webhook.disabled_at.is_(None))
    ).one()
    family = GaugeMetricFamily(
        "unlearnable_webhooks",
        "Webhooks whose last attempt was received, or that had none, and those that are failing.",
        labels=("state",),
    )
    family.add_metric(("sound",), enabled - failing)
    family.add_metric(("failing",), failing)
    yield family
    late = extract("epoch", func.now() - func.min(WebhookDelivery.next_attempt_at)).cast(Float)
    waiting, overdue = session.execute(
        select(func.count(), late).where(WebhookDelivery.status == webhooks.PENDING)
    ).one()
    yield GaugeMetricFamily(
        "unlearnable_webhook_messages_pending",
        "Messages that wait for their first or their next attempt.",
        waiting,
    )
    yield GaugeMetricFamily(
        "unlearnable_webhook_late_seconds",
        "For how long the oldest message that is due has been.",
        max(overdue or 0, 0),
    )
