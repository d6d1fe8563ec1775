"""The queue of steps: claiming under a lease, and writing only while the lease holds.

PostgreSQL is the queue. A claim is one statement (`FOR UPDATE SKIP LOCKED`); every later write
names the lease token that the claim returned and fails with `LeaseLost` once the step is somebody
else's, which is what fences off a worker that was thought dead.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.orm import Session

from core.ids import new_id
from core.tables import Step

QUEUED, RUNNING, DONE, FAILED, DROPPED = "queued", "running", "done", "failed", "dropped"


class LeaseLost(Exception):
    """The step belongs to another worker now, or was dropped: stop, and write nothing more."""


@dataclass(frozen=True)
class Claim:
    """A step in the hands of a worker."""

    step_id: str
    token: int
    kind: str
    tenant_id: str
    dataset_id: str
    job_id: str | None
    payload: dict[str, Any]
    checkpoint_key: str | None

    @property
    def attempt(self) -> str:
        """Names this attempt's own corner of the object store."""
        return f"{self.step_id}-{self.token}"

    @property
    def log_fields(self) -> dict[str, Any]:
        """What every log line about this attempt names."""
        return {
            "tenant": self.tenant_id,
            "dataset_id": self.dataset_id,
            "job_id": self.job_id,
            "step_id": self.step_id,
            "attempt": self.token,
        }


def enqueue(
    session: Session,
    *,
    kind: str,
    pool: str,
    tenant_id: str,
    dataset_id: str,
    job_id: str | None = None,
    payload: dict[str, Any] | None = None,
    queued_at: datetime | None = None,
) -> Step:
    """Add a step. `queued_at` lets the later steps of a job keep the job's place in the queue."""
    step = Step(
        id=new_id("step"),
        kind=kind,
        pool=pool,
        status=QUEUED,
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        job_id=job_id,
        payload=payload or {},
    )
    if queued_at is not None:
        step.queued_at = queued_at
    session.add(step)
    session.flush()
    return step


# Oldest step of the tenant with the fewest running steps. The choice locks only the chosen row and
# walks past rows that others are claiming, so workers never wait for one another.
_CLAIM = text(
    """
    UPDATE steps SET
        status = 'running',
        lease_owner = :owner,
        lease_token = lease_token + 1,
        lease_expires_at = now() + make_interval(secs => :lease),
        started_at = coalesce(started_at, now())
    WHERE id = (
        SELECT s.id FROM steps s
        LEFT JOIN (
            SELECT tenant_id, count(*) AS busy FROM steps
            WHERE status = 'running' AND pool = :pool GROUP BY tenant_id
        ) r ON r.tenant_id = s.tenant_id
        WHERE s.status = 'queued' AND s.pool = :pool
        ORDER BY coalesce(r.busy, 0), s.queued_at, s.id
        FOR UPDATE OF s SKIP LOCKED LIMIT 1
    )
    RETURNING id, lease_token, kind, tenant_id, dataset_id, job_id, payload, checkpoint_key
    """
)


def claim(session: Session, pool: str, owner: str, lease_seconds: float) -> Claim | None:
    """Take the next step of `pool`, or None if there is nothing to do."""
    row = session.execute(
        _CLAIM, {"pool": pool, "owner": owner, "lease": lease_seconds}
    ).one_or_none()
    return None if row is None else _claim(row)


def write(session: Session, claim: Claim, **values: Any) -> None:
    """Change columns of a claimed step; with no columns, only make sure that it is still ours.

    Raises:
        LeaseLost: the step is not this worker's any more.
    """
    changed = session.execute(
        update(Step)
        .where(Step.id == claim.step_id, Step.lease_token == claim.token, Step.status == RUNNING)
        .values(**(values or {"status": RUNNING}))
        .returning(Step.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if changed is None:
        raise LeaseLost(claim.step_id)


def renew(session: Session, claim: Claim, lease_seconds: float) -> None:
    """Heartbeat."""
    write(session, claim, lease_expires_at=func.now() + timedelta(seconds=lease_seconds))


def finish(session: Session, claim: Claim, result: dict[str, Any]) -> None:
    write(
        session,
        claim,
        status=DONE,
        result=result,
        progress=1.0,
        finished_at=func.now(),
        lease_expires_at=None,
    )


def fail(session: Session, claim: Claim) -> None:
    write(session, claim, status=FAILED, finished_at=func.now(), lease_expires_at=None)


def drop(session: Session, claim: Claim) -> None:
    """End a step without a result, because its job is being cancelled."""
    write(session, claim, status=DROPPED, finished_at=func.now(), lease_expires_at=None)


def give_back(session: Session, claim: Claim) -> None:
    """Put a step back in the queue in good order: a worker that is being shut down."""
    write(session, claim, status=QUEUED, lease_owner=None, lease_expires_at=None)


def lose(session: Session, claim: Claim, max_lost: int, *, only_if_expired: bool = False) -> bool:
    """A worker is gone: put its step back in the queue, or end it after `max_lost` losses.

    Returns:
        True if the step has been given up.

    Raises:
        LeaseLost: the step is in other hands, or (`only_if_expired`) its lease was renewed.
    """
    ours = [Step.id == claim.step_id, Step.lease_token == claim.token, Step.status == RUNNING]
    if only_if_expired:
        ours.append(Step.lease_expires_at < func.now())
    step = session.scalars(
        select(Step).where(*ours).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if step is None:
        raise LeaseLost(claim.step_id)
    step.lost_count += 1
    step.lease_owner = None
    step.lease_expires_at = None
    given_up = step.lost_count >= max_lost
    step.status = FAILED if given_up else QUEUED
    if given_up:
        step.finished_at = func.now()
    session.flush()
    return given_up


def expired(session: Session) -> list[Claim]:
    """The claims whose lease has run out."""
    rows = session.scalars(
        select(Step).where(Step.status == RUNNING, Step.lease_expires_at < func.now())
    )
    return [_claim(step) for step in rows]


def get(session: Session, step_id: str, token: int) -> Claim:
    """The claim on a step that this token still holds.

    Raises:
        LeaseLost: it does not.
    """
    step = session.scalars(
        select(Step).where(Step.id == step_id, Step.lease_token == token, Step.status == RUNNING)
    ).one_or_none()
    if step is None:
        raise LeaseLost(step_id)
    return _claim(step)


def _claim(step: Step | Row[Any]) -> Claim:
    return Claim(
        step_id=step.id,
        token=step.lease_token,
        kind=step.kind,
        tenant_id=step.tenant_id,
        dataset_id=step.dataset_id,
        job_id=step.job_id,
        payload=step.payload,
        checkpoint_key=step.checkpoint_key,
    )


def waiting(session: Session) -> dict[str, int]:
    """How many steps wait, by pool."""
    rows = session.execute(
        select(Step.pool, func.count()).where(Step.status == QUEUED).group_by(Step.pool)
    )
    return {row[0]: row[1] for row in rows}
