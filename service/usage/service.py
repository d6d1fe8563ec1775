"""Putting together what a tenant has and has used."""

from datetime import UTC, date, datetime, timedelta

from core import compute, quotas
from core.database import reading
from core.problem import Refused
from service.usage.schemas import Day, Quota, StoredBytes, Usage

LONGEST = timedelta(days=366)


def period_invalid() -> Refused:
    return Refused(
        "period_invalid", "start must not be after end, nor more than 366 days before it.", "start"
    )


def of(tenant_id: str, start: date | None, end: date | None) -> Usage:
    """The usage now, and of a period: by default the current month.

    Raises:
        Refused: `period_invalid`.
    """
    today = datetime.now(UTC).date()
    end = end or today
    start = start or end.replace(day=1)
    if not start <= end <= start + LONGEST:
        raise period_invalid()
    with reading() as session:
        stored = quotas.stored(session, tenant_id)
        limits = quotas.limits(session, tenant_id)
        days = compute.by_day(session, tenant_id, start, end)
        used = {
            quotas.BYTES: stored.total,
            quotas.DATASETS: quotas.datasets(session, tenant_id),
            quotas.IMAGES: quotas.images(session, tenant_id),
            quotas.JOBS: quotas.open_jobs(session, tenant_id),
            quotas.COMPUTE: round(quotas.compute_this_month(session, tenant_id), 1),
        }
    return Usage(
        bytes_stored=StoredBytes(
            total=stored.total,
            datasets=stored.datasets,
            uploads=stored.uploads,
            results=stored.results,
        ),
        datasets=int(used[quotas.DATASETS]),
        images=int(used[quotas.IMAGES]),
        concurrent_jobs=int(used[quotas.JOBS]),
        start=start,
        end=end,
        compute_seconds=round(sum(days.values()), 1),
        days=[Day(date=day, compute_seconds=round(spent, 1)) for day, spent in days.items()],
        quotas=[
            Quota.model_validate({"name": name, "limit": limits[name], "used": used[name]})
            for name in quotas.NAMES
        ],
    )
