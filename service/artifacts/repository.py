"""Every query on artifacts, each for one tenant."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import conversions
from core.tables import Artifact, Job
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
        """What a job made, and its conversions, by name; of one kind only if `kind` is given."""
        conversion = select(Job.id).where(Job.parent_id == job_id, Job.kind == conversions.KIND)
        query = select(Artifact).where(
            Artifact.tenant_id == self._tenant_id,
            (Artifact.job_id == job_id) | Artifact.job_id.in_(conversion),
        )
        if kind is not None:
            query = query.where(Artifact.kind == kind)
        return list(self._session.scalars(query.order_by(Artifact.name)))

    def protected_dataset(self, job_id: str) -> Artifact | None:
        """The protected dataset in the layout of its upload, as its job wrote it."""
        return self._session.scalars(
            select(Artifact).where(
                Artifact.tenant_id == self._tenant_id,
                Artifact.job_id == job_id,
                Artifact.kind == "protected_dataset",
            )
        ).one_or_none()

    def remove_of_job(self, job_id: str) -> None:
        """Forget what a job made; the bytes are somebody else's concern."""
        self._session.execute(
            delete(Artifact).where(Artifact.tenant_id == self._tenant_id, Artifact.job_id == job_id)
        )
