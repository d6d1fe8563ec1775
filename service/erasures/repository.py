"""Every query on erasures, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.erasure import PREFIX
from core.tables import Erasure
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page


class ErasureRepository:
    """One tenant's erasures."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._mine = select(Erasure).where(Erasure.tenant_id == tenant_id)

    def get(self, erasure_id: str) -> Erasure | None:
        if not could_be(erasure_id, PREFIX):
            return None
        return self._session.scalars(self._mine.where(Erasure.id == erasure_id)).one_or_none()

    def page(self, page: Page) -> tuple[list[Erasure], bool]:
        return fetch_page(self._session, self._mine, Erasure.id, PREFIX, page)
