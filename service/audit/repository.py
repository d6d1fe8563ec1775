"""Every query on audit events, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import PREFIX
from core.tables import AuditEvent
from service.kit.pages import Page, fetch_page


class AuditRepository:
    """One tenant's audit log."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._mine = select(AuditEvent).where(AuditEvent.tenant_id == tenant_id)

    def page(self, page: Page, object_id: str | None) -> tuple[list[AuditEvent], bool]:
        """A page of all events, or of those of one object."""
        query = self._mine
        if object_id is not None:
            query = query.where(AuditEvent.object_id == object_id)
        return fetch_page(self._session, query, AuditEvent.id, PREFIX, page)
