"""How far a job is: its progress bar, its newest metrics and their series, and when it will end."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import conversions, few_images, lifecycle, steps, studies
from core.tables import Job, MetricPoint, Step
from worker import flow

# What in the payload of a step tells its metrics from those of the steps beside it.
SOURCE = ("victim", "seed", "side", "countermeasure")
PARTS = {flow.PERTURB: flow.PROTECT}  # fill the same part of the progress bar
# Which part of a job's progress bar each kind of step fills, by the kind of job.
SHARES = {
    "protection": {flow.TRAIN: 0.64, flow.PROTECT: 0.04, flow.EVALUATE: 0.30, flow.REPORT: 0.02},
    "application": {flow.PROTECT: 0.30, flow.EVALUATE: 0.65, flow.REPORT: 0.05},
    "evaluation": {flow.COMPARE: 0.05, flow.EVALUATE: 0.90, flow.REPORT: 0.05},
    few_images.KIND: {flow.IMAGES: 1.0},
    conversions.KIND: {flow.CONVERT: 1.0},
    studies.KIND: {flow.SUMMARIZE: 1.0},
}


def note_progress(
    session: Session,
    claim: steps.Claim,
    fraction: float,
    metrics: dict[str, Any],
    *,
    keep: bool = False,
) -> bool:
    """Write a step's progress and its job's. Returns True if the step shall stop.

    Args:
        keep: whether the metrics also become a point of the job's series.

    Raises:
        steps.LeaseLost: the step is not this worker's any more.
    """
    if claim.job_id is None:
        steps.write(session, claim, progress=fraction)
        return False
    job = lifecycle.lock_job(session, claim.job_id)
    steps.write(session, claim, progress=fraction)
    finite = {
        name: value
        for name, value in metrics.items()
        if not isinstance(value, float) or math.isfinite(value)  # JSON knows no others
    }
    if flow.PHASES[claim.kind] == job.phase:  # not what others do ahead
        job.metrics = {**job.metrics, **finite}
    if keep and finite:
        source = {name: claim.payload[name] for name in SOURCE if name in claim.payload}
        session.add(
            MetricPoint(
                tenant_id=job.tenant_id,
                job_id=job.id,
                phase=flow.PHASES[claim.kind],
                source=source,
                metrics=finite,
            )
        )
    # A step that is taken up again starts at its checkpoint; the bar stays where it was.
    job.progress = max(job.progress, _progress(session, job))
    now = datetime.now(UTC)
    if job.started_at is not None and job.progress > 0.05:
        elapsed = (now - job.started_at).total_seconds() - job.paused_seconds
        job.estimated_finish_at = now + timedelta(
            seconds=elapsed * (1 - job.progress) / job.progress
        )
    return lifecycle.enforce_deadline(session, job) or job.cancel_requested_at is not None


def _progress(session: Session, job: Job) -> float:
    rows = session.execute(select(Step.kind, Step.progress).where(Step.job_id == job.id)).all()
    total = 0.0
    for kind, share in SHARES[job.kind].items():
        parts = [row.progress for row in rows if PARTS.get(row.kind, row.kind) == kind]
        if parts:
            total += share * sum(parts) / len(parts)
    return min(total, 1.0)
