"""The queue of steps: claiming under a lease, and writing only while the lease holds.

PostgreSQL is the queue. A claim is one statement (`FOR UPDATE SKIP LOCKED`); every later write
names the lease token that the claim returned and fails with `LeaseLost` once the step is somebody
else's, which is what fences off a worker that was thought dead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.orm import Session

from core import compute
from core.ids import new_id
from core.tables import Step

QUEUED, RUNNING, DONE, FAILED, DROPPED = "queued", "running", "done", "failed", "dropped"
HELD = "held"  # its job is paused
WAITING = "waiting"  # another job's step trains what this one needs
OPEN = frozenset({QUEUED, HELD, WAITING, RUNNING})


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
    status: str = QUEUED,
    priority: int = 0,
    queued_at: datetime | None = None,
) -> Step:
    """Add a step.

    Args:
        status: `queued`, or `held` if its job is paused.
        priority: of its job; higher ones go first among the steps of one tenant.
        queued_at: lets the later steps of a job keep the job's place in the queue.
    """
    step = Step(
        id=new_id("step"),
        kind=kind,
        pool=pool,
        status=status,
        priority=priority,
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


# Tenants take turns: the one with the fewest running steps, then the one whose next step is oldest.
# A tenant's next step is the oldest of its highest priority, so priorities never cross tenants. The
# index `ix_steps_queued` holds each tenant's steps in that order: tenants are found by skipping
# along it and only a few heads of each are read, however long the queue. The choice locks only the
# chosen row and walks past rows that others are claiming, so workers never wait for one another.
_CLAIM = text(
    """
    WITH RECURSIVE waiting(tenant_id) AS (
        (SELECT tenant_id FROM steps WHERE status = 'queued' AND pool = :pool
         ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT s.tenant_id FROM steps s
                WHERE s.status = 'queued' AND s.pool = :pool AND s.tenant_id > w.tenant_id
                ORDER BY s.tenant_id LIMIT 1)
        FROM waiting w WHERE w.tenant_id IS NOT NULL
    ), busy AS (
        SELECT tenant_id, count(*) AS running FROM steps
        WHERE status = 'running' AND pool = :pool GROUP BY tenant_id
    ), heads AS (
        SELECT head.id, head.place, coalesce(busy.running, 0) AS running, w.tenant_id,
            min(head.queued_at) FILTER (WHERE head.place = 1) OVER (PARTITION BY w.tenant_id) AS age
        FROM waiting w
        CROSS JOIN LATERAL (
            SELECT s.id, s.queued_at,
                row_number() OVER (ORDER BY s.priority DESC, s.queued_at, s.id) AS place
            FROM steps s
            WHERE s.status = 'queued' AND s.pool = :pool AND s.tenant_id = w.tenant_id
                AND s.kind = ANY(:kinds)
            ORDER BY s.priority DESC, s.queued_at, s.id LIMIT :heads
        ) head
        LEFT JOIN busy ON busy.tenant_id = w.tenant_id
    ), next AS (
        SELECT * FROM heads ORDER BY running, age, tenant_id, place LIMIT :heads
    )
    UPDATE steps SET
        status = 'running',
        lease_owner = :owner,
        lease_token = lease_token + 1,
        lease_expires_at = now() + make_interval(secs => :lease),
        claimed_at = now(),
        started_at = coalesce(started_at, now())
    WHERE id = (
        SELECT s.id FROM next JOIN steps s ON s.id = next.id
        WHERE s.status = 'queued'
        ORDER BY next.running, next.age, next.tenant_id, next.place
        FOR UPDATE OF s SKIP LOCKED LIMIT 1
    )
    RETURNING id, lease_token, kind, tenant_id, dataset_id, job_id, payload, checkpoint_key
    """
)
_HEADS = 16  # workers that may claim at the same moment and each still find a step


def claim(
    session: Session, pool: str, owner: str, lease_seconds: float, *, kinds: Iterable[str]
) -> Claim | None:
    """Take the next step of `pool`, or None if there is nothing to do.

    Args:
        kinds: what this worker can do. While workers are replaced by newer ones, steps of kinds
            that only those know wait for them.
    """
    values = {
        "pool": pool,
        "owner": owner,
        "lease": lease_seconds,
        "heads": _HEADS,
        "kinds": list(kinds),
    }
    row = session.execute(_CLAIM, values).one_or_none()
    return None if row is None else _claim(row)


def write(session: Session, claim: Claim, **values: Any) -> None:
    """Change columns of a claimed step; with no columns, only make sure that it is still ours.

    Raises:
        LeaseLost: the step is not this worker's any more.
    """
    if values.get("status", RUNNING) != RUNNING:
        compute.charge(session, Step.id == claim.step_id, Step.lease_token == claim.token)
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


def drop_queued(session: Session, job_id: str, kind: str) -> None:
    """End the steps of one kind of a job (its row locked) that no worker has."""
    session.execute(
        update(Step)
        .where(Step.job_id == job_id, Step.kind == kind, Step.status.in_(OPEN - {RUNNING}))
        .values(status=DROPPED, finished_at=func.now())
    )


def give_back(session: Session, claim: Claim, status: str = QUEUED) -> None:
    """Put a step back in good order: its worker is being shut down, or its job paused."""
    write(session, claim, status=status, lease_owner=None, lease_expires_at=None)


def lose(
    session: Session,
    claim: Claim,
    max_lost: int,
    *,
    only_if_expired: bool = False,
    status: str = QUEUED,
) -> bool:
    """A worker is gone: put its step back as `status`, or end it after `max_lost` losses.

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
    compute.charge(session, Step.id == step.id)
    step.lost_count += 1
    step.lease_owner = None
    step.lease_expires_at = None
    given_up = step.lost_count >= max_lost
    step.status = FAILED if given_up else status
    if given_up:
        step.finished_at = func.now()
    session.flush()
    return given_up


def database_age(session: Session) -> timedelta:
    """For how long the database has been up."""
    now, started = session.execute(select(func.now(), func.pg_postmaster_start_time())).one()
    return timedelta(seconds=(now - started).total_seconds())


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


# Tenants take turns: before a step with n others of its tenant in front, each other tenant has at
# most n + 1 turns.
_POSITION = text(
    """
    WITH mine AS (
        SELECT pool, tenant_id, -priority AS rank, queued_at, id FROM steps
        WHERE job_id = :job_id AND status = 'queued' ORDER BY rank, queued_at, id LIMIT 1
    ), ahead AS (
        SELECT count(DISTINCT s.job_id) AS jobs FROM steps s JOIN mine USING (pool, tenant_id)
        WHERE s.status = 'queued'
            AND (-s.priority, s.queued_at, s.id) < (mine.rank, mine.queued_at, mine.id)
    ), others AS (
        SELECT least(count(DISTINCT s.job_id), (SELECT jobs + 1 FROM ahead)) AS jobs
        FROM steps s JOIN mine USING (pool)
        WHERE s.status = 'queued' AND s.tenant_id <> mine.tenant_id GROUP BY s.tenant_id
    )
    SELECT 1 + (SELECT jobs FROM ahead) + (SELECT coalesce(sum(jobs), 0) FROM others)::int FROM mine
    """
)


def position(session: Session, job_id: str) -> int | None:
    """At the latest as how manieth job a waiting one is taken up, from 1; None if none waits."""
    found: int | None = session.scalar(_POSITION, {"job_id": job_id})
    return found


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
