"""Every query on API keys, each for one tenant."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core.tables import ApiKey, Tenant
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "key"


class ApiKeyRepository:
    """One tenant's keys, with those that were revoked or have expired."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._mine = select(ApiKey).where(ApiKey.tenant_id == tenant_id)

    def get(self, key_id: str) -> ApiKey | None:
        if not could_be(key_id, PREFIX):
            return None
        return self._session.scalars(self._mine.where(ApiKey.id == key_id)).one_or_none()

    def lock(self, key_id: str) -> ApiKey | None:
        """The key, which nobody else changes until the transaction ends."""
        if not could_be(key_id, PREFIX):
            return None
        return self._session.scalars(
            self._mine.where(ApiKey.id == key_id).with_for_update()
        ).one_or_none()

    def count_working(self) -> int:
        """How many keys open something; nobody else adds one until the transaction ends."""
        self._session.execute(
            select(Tenant.id).where(Tenant.id == self._tenant_id).with_for_update(key_share=True)
        )
        working = self._mine.where(
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
        )
        return self._session.scalar(select(func.count()).select_from(working.subquery())) or 0

    def page(self, page: Page) -> tuple[list[ApiKey], bool]:
        return fetch_page(self._session, self._mine, ApiKey.id, PREFIX, page)
