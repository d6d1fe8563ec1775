"""Every query on artifacts, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.tables import Artifact


class ArtifactRepository:
    """One tenant's artifacts."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def of_job(self, job_id: str) -> list[Artifact]:
        """What a job made, in the order in which it was published."""
        return list(
            self._session.scalars(
                select(Artifact)
                .where(Artifact.tenant_id == self._tenant_id, Artifact.job_id == job_id)
                .order_by(Artifact.created_at, Artifact.name)
            )
        )
