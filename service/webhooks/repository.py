"""Every query on webhooks and their deliveries, each for one tenant."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.tables import Tenant, Webhook, WebhookDelivery
from core.webhooks import DELIVERY_PREFIX
from service.kit.ids import could_be
from service.kit.pages import Page, fetch_page

PREFIX = "wh"


class WebhookRepository:
    """One tenant's webhooks."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._mine = select(Webhook).where(Webhook.tenant_id == tenant_id)

    def add(self, webhook: Webhook) -> None:
        assert webhook.tenant_id == self._tenant_id
        self._session.add(webhook)
        self._session.flush()

    def count_locked(self) -> int:
        """How many there are; none is added elsewhere until the transaction ends."""
        self._session.execute(
            select(Tenant.id).where(Tenant.id == self._tenant_id).with_for_update(key_share=True)
        )
        return self._session.scalar(select(func.count()).select_from(self._mine.subquery())) or 0

    def get(self, webhook_id: str) -> Webhook | None:
        if not could_be(webhook_id, PREFIX):
            return None
        return self._session.scalars(self._mine.where(Webhook.id == webhook_id)).one_or_none()

    def lock(self, webhook_id: str) -> Webhook | None:
        """The webhook, which nobody else changes until the transaction ends."""
        if not could_be(webhook_id, PREFIX):
            return None
        return self._session.scalars(
            self._mine.where(Webhook.id == webhook_id).with_for_update(key_share=True)
        ).one_or_none()

    def page(self, page: Page) -> tuple[list[Webhook], bool]:
        return fetch_page(self._session, self._mine, Webhook.id, PREFIX, page)

    def remove(self, webhook: Webhook) -> None:
        """The webhook and the log of its deliveries."""
        self._session.delete(webhook)


class DeliveryRepository:
    """What was sent to one webhook of a tenant."""

    def __init__(self, session: Session, tenant_id: str, webhook_id: str) -> None:
        self._session = session
        self._mine = select(WebhookDelivery).where(
            WebhookDelivery.tenant_id == tenant_id, WebhookDelivery.webhook_id == webhook_id
        )

    def get(self, delivery_id: str) -> WebhookDelivery | None:
        if not could_be(delivery_id, DELIVERY_PREFIX):
            return None
        return self._session.scalars(
            self._mine.where(WebhookDelivery.id == delivery_id)
        ).one_or_none()

    def lock(self, delivery_id: str) -> WebhookDelivery | None:
        """The delivery, which nobody else changes until the transaction ends."""
        if not could_be(delivery_id, DELIVERY_PREFIX):
            return None
        return self._session.scalars(
            self._mine.where(WebhookDelivery.id == delivery_id).with_for_update()
        ).one_or_none()

    def page(self, page: Page, status: str | None) -> tuple[list[WebhookDelivery], bool]:
        query = self._mine
        if status is not None:
            query = query.where(WebhookDelivery.status == status)
        return fetch_page(self._session, query, WebhookDelivery.id, DELIVERY_PREFIX, page)
