"""Seconds that workers spend on a tenant's steps, kept by day: what usage and quotas count."""

from datetime import UTC, date, datetime

from sqlalchemy import ColumnElement, Date, Float, cast, extract, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.pools import COMPUTE
from core.tables import ComputeUsage, Step

# Of the attempt that has the step now; a worker that is gone has worked until its lease ran out.
_SECONDS = cast(
    func.greatest(
        0, extract("epoch", func.least(func.now(), Step.lease_expires_at) - Step.claimed_at)
    ),
    Float,
)
_RUNNING = (Step.status == "running", Step.pool == COMPUTE, Step.claimed_at.is_not(None))


def charge(session: Session, *which: ColumnElement[bool]) -> None:
    """Write down what the running ones of these steps have cost so far.

    To be called before they are taken out of `running`, in the same transaction.
    """
    today = cast(func.timezone("UTC", func.now()), Date)
    statement = insert(ComputeUsage).from_select(
        ["tenant_id", "day", "seconds"],
        select(Step.tenant_id, today, func.sum(_SECONDS))
        .where(*_RUNNING, *which)
        .group_by(Step.tenant_id),
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[ComputeUsage.tenant_id, ComputeUsage.day],
            set_={"seconds": ComputeUsage.seconds + statement.excluded.seconds},
        )
    )


def by_day(session: Session, tenant_id: str, start: date, end: date) -> dict[date, float]:
    """Seconds by day (UTC) from `start` to `end`, both included; days without any are left out.

    What has ended counts on the day on which it ended; what runs, today and so far.
    """
    rows = session.execute(
        select(ComputeUsage.day, ComputeUsage.seconds)
        .where(ComputeUsage.tenant_id == tenant_id, ComputeUsage.day.between(start, end))
        .order_by(ComputeUsage.day)
    )
    found = {row.day: row.seconds for row in rows}
    today = datetime.now(UTC).date()
    if start <= today <= end:
        running = session.scalar(
            select(func.sum(_SECONDS)).where(*_RUNNING, Step.tenant_id == tenant_id)
        )
        if running:
            found[today] = found.get(today, 0.0) + running
    return found
