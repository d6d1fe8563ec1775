"""Every query on jobs, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, undefer

from core import conversions, few_images, quotas
from core.tables import Dataset, Job
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "job"


class JobRepository:
    """One tenant's jobs, with their datasets."""

    kinds: tuple[str, ...] = ("protection", "application", few_images.KIND, conversions.KIND)
    listed: tuple[str, ...] = ("protection", "application")
    prefix = PREFIX

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._mine = (
            select(Job)
            .where(Job.tenant_id == tenant_id, Job.kind.in_(self.kinds))
            .options(joinedload(Job.dataset).load_only(Dataset.summary))
        )

    def add(self, job: Job) -> None:
        """Add a job.

        Raises:
            Refused: `quota_exceeded`.
        """
        assert job.tenant_id == self._tenant_id
        quotas.admit_job(self._session, self._tenant_id, job.dataset.id)
        self._session.add(job)
        self._session.flush()

    def get(self, job_id: str, *, with_evaluation: bool = False) -> Job | None:
        if not could_be(job_id, self.prefix):
            return None
        query = self._mine.where(Job.id == job_id)
        if with_evaluation:
            query = query.options(undefer(Job.evaluation))
        return self._session.scalars(query).one_or_none()

    def lock(self, job_id: str) -> Job | None:
        """The job, which nobody else changes until the transaction ends."""
        if not could_be(job_id, self.prefix):
            return None
        return self._session.scalars(
            self._mine.where(Job.id == job_id).with_for_update(of=Job)
        ).one_or_none()

    def page(self, page: Page) -> tuple[list[Job], bool]:
        query = self._mine.where(Job.kind.in_(self.listed))
        return fetch_page(self._session, query, Job.id, self.prefix, page)
