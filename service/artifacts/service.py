"""Signing links to what a job made."""

from datetime import UTC, datetime, timedelta
from typing import cast

from core import audit, tables
from core.database import reading, transaction
from core.object_store import ObjectStore
from core.problem import Refused
from service.artifacts.repository import ArtifactRepository
from service.artifacts.schemas import Artifact, Kind
from service.jobs import service as jobs
from service.jobs.problems import job_has_no_dataset


def artifact_not_found() -> Refused:
    return Refused(
        "artifact_not_found",
        "There is no such file. GET /v1/jobs/{job_id}/artifacts lists those of a job.",
        status=404,
    )


def get(tenant_id: str, artifact_id: str, store: ObjectStore, presign_seconds: int) -> Artifact:
    """One file, with a fresh link.

    Raises:
        Refused: `artifact_not_found`.
    """
    with reading() as session:
        row = ArtifactRepository(session, tenant_id).get(artifact_id)
    if row is None:
        raise artifact_not_found()
    expires_at = datetime.now(UTC) + timedelta(seconds=presign_seconds)
    return _signed(row, store, presign_seconds, expires_at)


def of_job(
    tenant_id: str, job_id: str, store: ObjectStore, presign_seconds: int, kind: Kind | None
) -> list[Artifact]:
    """The artifacts of a job, each with a fresh link.

    Raises:
        Refused: `job_not_found`.
    """
    job = jobs.get(tenant_id, job_id)
    return signed(tenant_id, job.id, store, presign_seconds, kind)


def signed(
    tenant_id: str, owner_id: str, store: ObjectStore, presign_seconds: int, kind: Kind | None
) -> list[Artifact]:
    """The artifacts of a job or an evaluation that is known to be there."""
    with transaction() as session:
        rows = ArtifactRepository(session, tenant_id).of_job(owner_id, kind)
    expires_at = datetime.now(UTC) + timedelta(seconds=presign_seconds)
    return [_signed(row, store, presign_seconds, expires_at) for row in rows]


def as_uploaded(
    tenant_id: str, job_id: str, store: ObjectStore, presign_seconds: int
) -> list[Artifact]:
    """The protected dataset in the layout of its upload, and the job's manifest.

    Raises:
        Refused: `job_not_found`, or the job has no protected dataset.
    """
    made = of_job(tenant_id, job_id, store, presign_seconds, None)
    if not any(one.kind == "protected_dataset" for one in made):
        raise job_has_no_dataset()
    with transaction() as session:
        audit.note(session, tenant_id, "job.layout_requested", job_id, layout="uploaded")
    return [one for one in made if one.kind in {"protected_dataset", "manifest"}]


def _signed(
    row: tables.Artifact, store: ObjectStore, seconds: int, expires_at: datetime
) -> Artifact:
    return Artifact(
        id=row.id,
        name=row.name,
        kind=cast(Kind, row.kind),
        content_type=row.content_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        url=store.presigned_get(row.object_key, row.name, row.content_type, seconds),
        expires_at=expires_at,
    )
