"""Every query on datasets, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import lifecycle, quotas
from core.tables import Dataset, Job
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "ds"


class DatasetRepository:
    """One tenant's datasets. What was deleted is not there."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._visible = select(Dataset).where(
            Dataset.tenant_id == tenant_id, Dataset.status != lifecycle.DELETED
        )

    def add(self, dataset: Dataset) -> None:
        """Add a dataset.

        Raises:
            Refused: `quota_exceeded`.
        """
        assert dataset.tenant_id == self._tenant_id
        quotas.admit_dataset(self._session, self._tenant_id, dataset.size_bytes)
        self._session.add(dataset)
        self._session.flush()

    def get(self, dataset_id: str) -> Dataset | None:
        if not could_be(dataset_id, PREFIX):
            return None
        return self._session.scalars(self._visible.where(Dataset.id == dataset_id)).one_or_none()

    def lock(self, dataset_id: str) -> Dataset | None:
        """The dataset, which nobody else changes or deletes until the transaction ends."""
        if not could_be(dataset_id, PREFIX):
            return None
        return self._session.scalars(
            self._visible.where(Dataset.id == dataset_id).with_for_update()
        ).one_or_none()

    def page(self, page: Page) -> tuple[list[Dataset], bool]:
        return fetch_page(self._session, self._visible, Dataset.id, PREFIX, page)

    def in_use(self, dataset_id: str) -> bool:
        """Whether a job of the dataset has not ended."""
        open_job = (
            select(Job.id)
            .where(
                Job.tenant_id == self._tenant_id,
                (Job.dataset_id == dataset_id) | (Job.compared_dataset_id == dataset_id),
                Job.status.not_in(lifecycle.FINAL),
            )
            .limit(1)
        )
        return self._session.scalar(open_job) is not None
