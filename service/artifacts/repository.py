"""Every query on artifacts, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.tables import Artifact
from service.kit.ids import could_be

PREFIX = "art"


class ArtifactRepository:
    """One tenant's artifacts."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def get(self, artifact_id: str) -> Artifact | None:
        if not could_be(artifact_id, PREFIX):
            return None
        return self._session.scalars(
            select(Artifact).where(
                Artifact.tenant_id == self._tenant_id, Artifact.id == artifact_id
            )
        ).one_or_none()

    def of_job(self, job_id: str, kind: str | None = None) -> list[Artifact]:
        """What a job made, by name; only one kind of it if `kind` is given."""
        query = select(Artifact).where(
            Artifact.tenant_id == self._tenant_id, Artifact.job_id == job_id
        )
        if kind is not None:
            query = query.where(Artifact.kind == kind)
        return list(self._session.scalars(query.order_by(Artifact.name)))
