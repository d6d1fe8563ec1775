"""Repairs what crashes leave behind: `python -m worker.sweeper`.

Each concern is a small function that may run anywhere, any number of times, also twice at once.
"""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from core import lifecycle, logs, metrics, steps
from core.database import transaction
from core.doorbell import is_ringing, ring
from core.object_store import ObjectStore, job_prefix
from core.settings import Settings, get_settings
from core.tables import Job
from worker import flow, heartbeat
from worker.erasure import erase_datasets
from worker.faults import LOST
from worker.figures import DatabaseFigures
from worker.leftovers import clear_leftovers
from worker.purge import purge_datasets, purge_jobs
from worker.retention import (
    expire_answers,
    expire_datasets,
    expire_deliveries,
    expire_images,
    expire_results,
)
from worker.studies import advance_studies
from worker.uploads import expire_uploads
from worker.waiting import release_waiting_steps

log = logging.getLogger(__name__)

SWEEPS = Counter(
    "unlearnable_sweeps",
    "Rounds of each concern of the sweeper, by outcome.",
    ("concern", "outcome"),
    registry=metrics.REGISTRY,
)


def requeue_lost_steps(settings: Settings) -> None:
    """A worker that stopped renewing its lease is gone; another one takes its step."""
    with transaction() as session:
        # A database that was away has kept every worker from renewing its lease: once it is back,
        # they get the time to.
        if steps.database_age(session) < timedelta(seconds=2 * settings.heartbeat_seconds):
            return
        claims = steps.expired(session)
    for claim in claims:
        bound = logs.bound(**claim.log_fields)
        with bound, contextlib.suppress(steps.LeaseLost), transaction() as session:
            flow.lose(session, claim, LOST, settings.max_lost, only_if_expired=True)
            log.warning("%s: its worker is gone", claim.step_id)


def end_stuck_changes(settings: Settings) -> None:
    """A job whose last running step vanished while it was being cancelled or paused."""
    with transaction() as session:
        jobs = session.execute(
            select(Job.id, Job.tenant_id).where(
                Job.status.in_((lifecycle.CANCELLING, lifecycle.PAUSING))
            )
        ).all()
    for job_id, tenant_id in jobs:
        with transaction() as session:
            cancelled = flow.end_cancelled(session, job_id)
        if cancelled:
            ObjectStore.from_settings(settings).delete_prefix(job_prefix(tenant_id, job_id))


def end_late_jobs(_: Settings) -> None:
    """A job whose deadline has passed; its worker sees that too, but it may have none."""
    with transaction() as session:
        late = session.scalars(
            select(Job.id).where(
                Job.deadline_at < func.now(),
                Job.finished_at.is_(None),
                Job.status != lifecycle.CANCELLING,
            )
        ).all()
    for job_id in late:
        with transaction() as session:
            lifecycle.enforce_deadline(session, lifecycle.lock_job(session, job_id))


def ring_for_waiting_steps(_: Settings) -> None:
    """A bell may have been lost with the broker; while steps wait, ring again."""
    with transaction() as session:
        pools = steps.waiting(session)
    for pool in pools:
        if not is_ringing(pool):
            ring(pool)


def release_steps(_: Settings) -> None:
    """Whoever made what a step waits for may have died before letting it go."""
    release_waiting_steps()


CONCERNS: tuple[Callable[[Settings], None], ...] = (
    requeue_lost_steps,
    end_stuck_changes,
    end_late_jobs,
    release_steps,
    advance_studies,
    ring_for_waiting_steps,
    expire_datasets,
    expire_results,
    expire_images,
    erase_datasets,
    purge_jobs,
    purge_datasets,
    clear_leftovers,
    expire_answers,
    expire_uploads,
    expire_deliveries,
)


def sweep(settings: Settings) -> None:
    """Look after every concern once; one that fails does not keep the others from their turn."""
    for concern in CONCERNS:
        heartbeat.beat()
        outcome = "failed"
        try:
            concern(settings)
            outcome = "done"
        except SQLAlchemyError as error:
            log.warning("%s: %s", concern.__name__, type(error).__name__)
        except Exception:
            log.exception("%s failed", concern.__name__)
        SWEEPS.labels(concern.__name__, outcome).inc()


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = get_settings()
    logs.configure("sweeper", settings)
    heartbeat.begin(heartbeat.SWEEPER)
    metrics.REGISTRY.register(DatabaseFigures())
    metrics.serve(settings.metrics_host, settings.sweeper_metrics_port)
    log.info("sweeping every %g s", settings.sweep_seconds)
    while not stop.wait(settings.sweep_seconds):
        sweep(settings)
    heartbeat.end()


if __name__ == "__main__":
    main()
