"""Every query on uploads, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import quotas
from core.tables import Upload
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "upl"


class UploadRepository:
    """One tenant's uploads."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._visible = select(Upload).where(Upload.tenant_id == tenant_id)

    def add(self, upload: Upload) -> None:
        """Add an upload.

        Raises:
            Refused: `quota_exceeded`.
        """
        assert upload.tenant_id == self._tenant_id
        quotas.admit_dataset(self._session, self._tenant_id, upload.size_bytes)
        self._session.add(upload)
        self._session.flush()

    def get(self, upload_id: str) -> Upload | None:
        if not could_be(upload_id, PREFIX):
            return None
        return self._session.scalars(self._visible.where(Upload.id == upload_id)).one_or_none()

    def lock(self, upload_id: str) -> Upload | None:
        """The upload, which nobody else changes until the transaction ends."""
        if not could_be(upload_id, PREFIX):
            return None
        return self._session.scalars(
            self._visible.where(Upload.id == upload_id).with_for_update()
        ).one_or_none()

    def page(self, page: Page) -> tuple[list[Upload], bool]:
        return fetch_page(self._session, self._visible, Upload.id, PREFIX, page)
