"""How much a tenant may have and use. What would go beyond is refused before it is accepted.

Limits are the settings', or those that an operator set for one tenant. Whoever asks for more holds
the tenant's row until its transaction ends, so that two requests cannot take the same last place.
That row is locked last: after those of datasets, uploads and jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, literal_column, select, text
from sqlalchemy.orm import Session

from core import audit, compute, lifecycle, uploads
from core.problem import Refused
from core.settings import get_settings
from core.tables import Artifact, Dataset, Job, Tenant, Upload

CODE = "quota_exceeded"
BYTES, DATASETS, IMAGES = "bytes", "datasets", "images"
JOBS, COMPUTE = "concurrent_jobs", "compute_seconds"
NAMES = (BYTES, DATASETS, IMAGES, JOBS, COMPUTE)

_WHAT_TO_DO = {
    BYTES: "Delete or erase datasets that you do not need",
    DATASETS: "Delete datasets that you do not need",
    IMAGES: "Delete datasets that you do not need",
    JOBS: "Wait until one has ended, or cancel one",
    COMPUTE: "Wait until the next month begins (UTC)",
}
_MEANING = {
    BYTES: "bytes stored",
    DATASETS: "datasets",
    IMAGES: "images in datasets",
    JOBS: "jobs and evaluations that have not ended",
    COMPUTE: "seconds of computing this month",
}


@dataclass(frozen=True)
class Stored:
    """Bytes that are kept for a tenant. Working copies are not counted."""

    datasets: int  # originals, as they were uploaded
    uploads: int  # announced by uploads that are under way
    results: int  # what jobs made

    @property
    def total(self) -> int:
        return self.datasets + self.uploads + self.results


def exceeded(name: str, limit: int, used: float, more: int = 0) -> Refused:
    """The refusal of what would go beyond a quota."""
    adding = f", and this would take {more:,} more" if more else ""
    return Refused(
        CODE,
        f"The quota {name} ({_MEANING[name]}) is {limit:,}; {int(used):,} of it is used{adding}. "
        f"{_WHAT_TO_DO[name]}, or ask whoever runs this server for more. GET /v1/usage shows all "
        "quotas.",
        name,
        status=403,
    )


def limits(session: Session, tenant_id: str) -> dict[str, int | None]:
    """Every quota by name; None is no limit."""
    own = session.scalars(select(Tenant.quotas).where(Tenant.id == tenant_id)).one()
    return _merged(own)


def _merged(own: Mapping[str, Any]) -> dict[str, int | None]:
    settings = get_settings()
    return {name: own.get(name, getattr(settings, f"quota_{name}")) for name in NAMES}


def change(session: Session, tenant: str, name: str, limit: int | None) -> None:
    """Give the tenant called `tenant` a limit of its own; None is no limit.

    Raises:
        LookupError: there is no such tenant.
    """
    row = _tenant(session, tenant, locked=True)
    row.quotas = {**row.quotas, name: limit}
    _note(session, row, name, limit)


def reset(session: Session, tenant: str, name: str) -> None:
    """Let the settings decide again.

    Raises:
        LookupError: there is no such tenant.
    """
    row = _tenant(session, tenant, locked=True)
    row.quotas = {other: limit for other, limit in row.quotas.items() if other != name}
    _note(session, row, name, "default")


def _note(session: Session, row: Tenant, name: str, limit: int | str | None) -> None:
    with audit.acting(audit.Actor("operator")):
        audit.note(session, row.id, "quota.changed", row.id, name=name, limit=limit)


def of_tenant(session: Session, tenant: str) -> dict[str, int | None]:
    """Every quota of the tenant called `tenant`.

    Raises:
        LookupError: there is no such tenant.
    """
    return _merged(_tenant(session, tenant).quotas)


def _tenant(session: Session, name: str, *, locked: bool = False) -> Tenant:
    query = select(Tenant).where(Tenant.name == name)
    if locked:
        query = query.with_for_update(key_share=True)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise LookupError(f"there is no tenant {name!r}")
    return row


def admit_upload(session: Session, tenant_id: str, size: int) -> None:
    """Refuse `size` more bytes that would not fit; `Refused` with `quota_exceeded`."""
    allowed = _held(session, tenant_id, BYTES)
    limit = allowed[BYTES]
    if limit is not None:
        kept = stored(session, tenant_id).total
        if kept + size > limit:
            raise exceeded(BYTES, limit, kept, size)


def admit_dataset(session: Session, tenant_id: str, size: int) -> None:
    """Refuse another dataset whose upload has `size` bytes; `Refused` with `quota_exceeded`."""
    admit_upload(session, tenant_id, size)
    allowed = _held(session, tenant_id, DATASETS, IMAGES)
    for name, count in ((DATASETS, datasets), (IMAGES, images)):
        limit = allowed[name]
        if limit is not None and (used := count(session, tenant_id)) >= limit:
            raise exceeded(name, limit, used)


def admit_images(session: Session, tenant_id: str, more: int) -> None:
    """Refuse so many more images, counted by validation; `Refused` with `quota_exceeded`."""
    limit = _held(session, tenant_id, IMAGES)[IMAGES]
    if limit is not None and (used := images(session, tenant_id)) + more > limit:
        raise exceeded(IMAGES, limit, used, more)


def admit_job(session: Session, tenant_id: str, dataset_id: str) -> None:
    """Refuse another job or evaluation on a dataset; `Refused` with `quota_exceeded`."""
    allowed = _held(session, tenant_id, JOBS, COMPUTE, dataset_id=dataset_id)
    limit = allowed[JOBS]
    if limit is not None and (used := open_jobs(session, tenant_id)) >= limit:
        raise exceeded(JOBS, limit, used)
    limit = allowed[COMPUTE]
    if limit is not None and (spent := compute_this_month(session, tenant_id)) >= limit:
        raise exceeded(COMPUTE, limit, spent)


def _held(
    session: Session, tenant_id: str, *names: str, dataset_id: str | None = None
) -> dict[str, int | None]:
    """The tenant's limits; if one of `names` is set, nobody else is admitted until the end.

    Args:
        dataset_id: what the new row will name, and so lock: not after the tenant, but before.
    """
    allowed = limits(session, tenant_id)
    if any(allowed[name] is not None for name in names):
        if dataset_id is not None:
            session.execute(
                select(Dataset.id)
                .where(Dataset.id == dataset_id)
                .with_for_update(read=True, key_share=True)
            )
        # As strong as an update of the row, which lets rows that name the tenant be written.
        session.execute(
            select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True)
        )
    return allowed


def stored(session: Session, tenant_id: str) -> Stored:
    """What is kept for a tenant at this moment."""

    def total(column: Any, *which: Any) -> int:
        return int(session.scalar(select(func.coalesce(func.sum(column), 0)).where(*which)) or 0)

    return Stored(
        datasets=total(
            Dataset.size_bytes,
            Dataset.tenant_id == tenant_id,
            Dataset.status.in_((lifecycle.VALIDATING, lifecycle.READY)),
        ),
        uploads=total(
            Upload.size_bytes, Upload.tenant_id == tenant_id, Upload.status.in_(uploads.OPEN)
        ),
        results=total(Artifact.size_bytes, Artifact.tenant_id == tenant_id),
    )


def datasets(session: Session, tenant_id: str) -> int:
    """Datasets that are ready or being validated."""
    found = session.scalar(
        select(func.count()).where(
            Dataset.tenant_id == tenant_id,
            Dataset.status.in_((lifecycle.VALIDATING, lifecycle.READY)),
        )
    )
    return found or 0


def images(session: Session, tenant_id: str) -> int:
    """Images of all splits of all ready datasets."""
    found = session.scalar(_IMAGES, {"tenant_id": tenant_id})
    return int(found or 0)


_IMAGES = text(
    """
    SELECT sum(number.value::bigint) FROM datasets
    CROSS JOIN LATERAL jsonb_each(summary->'counts') split
    CROSS JOIN LATERAL jsonb_each_text(split.value) number
    WHERE tenant_id = :tenant_id AND status = 'ready'
    """
)


def open_jobs(session: Session, tenant_id: str) -> int:
    """Jobs and evaluations that have not ended."""
    found = session.scalar(
        # In the words of its index.
        select(func.count()).where(
            Job.tenant_id == tenant_id,
            literal_column("status NOT IN ('succeeded', 'failed', 'cancelled')"),
        )
    )
    return found or 0


def compute_this_month(session: Session, tenant_id: str) -> float:
    today = datetime.now(UTC).date()
    return sum(compute.by_day(session, tenant_id, today.replace(day=1), today).values())
