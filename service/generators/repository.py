"""Every query on generators, each for one tenant."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, joinedload

from core import lifecycle
from core.tables import Artifact, Dataset, Generator, Job
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "gen"


class GeneratorRepository:
    """One tenant's generators, with the jobs that trained them."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._mine = (
            select(Generator)
            .where(Generator.tenant_id == tenant_id)
            .options(joinedload(Generator.job).joinedload(Job.dataset).load_only(Dataset.summary))
        )

    def get(self, generator_id: str) -> Generator | None:
        if not could_be(generator_id, PREFIX):
            return None
        return self._session.scalars(self._mine.where(Generator.id == generator_id)).one_or_none()

    def lock(self, generator_id: str) -> Generator | None:
        """The generator, which nobody else deletes until the transaction ends."""
        if not could_be(generator_id, PREFIX):
            return None
        return self._session.scalars(
            self._mine.where(Generator.id == generator_id).with_for_update(of=Generator)
        ).one_or_none()

    def page(self, page: Page) -> tuple[list[Generator], bool]:
        return fetch_page(self._session, self._mine, Generator.id, PREFIX, page)

    def in_use(self, generator_id: str) -> bool:
        """Whether a job that protects with it has not ended."""
        open_job = (
            select(Job.id)
            .where(
                Job.tenant_id == self._tenant_id,
                Job.generator_id == generator_id,
                Job.status.not_in(lifecycle.FINAL),
            )
            .limit(1)
        )
        return self._session.scalar(open_job) is not None

    def remove(self, generator: Generator) -> None:
        """The generator, and the artifact of its weights."""
        self._session.execute(
            delete(Artifact).where(
                Artifact.tenant_id == self._tenant_id, Artifact.object_key == generator.object_key
            )
        )
        self._session.delete(generator)
