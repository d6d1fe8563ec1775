"""Checking where a webhook leads, keeping it, and asking for its messages."""

from datetime import UTC, datetime, timedelta

from core import audit, webhooks
from core.database import reading, transaction
from core.ids import new_id
from core.settings import Settings
from core.tables import Webhook, WebhookDelivery
from core.webhook_secrets import new_salt, secret_of
from core.webhook_targets import Network, Target, may_reach, parse_networks, parse_target
from service.kit.pages import Page
from service.webhooks import problems
from service.webhooks.repository import PREFIX, DeliveryRepository, WebhookRepository
from service.webhooks.schemas import Rotation, WebhookChanges, WebhookRequest


def check_url(url: str, settings: Settings) -> None:
    """Refuse early what would never be sent. A name's addresses are checked at each attempt.

    Raises:
        Refused: `webhook_url_invalid`, `webhook_url_not_https` or `webhook_url_not_public`.
    """
    try:
        target = parse_target(url)
    except ValueError as error:
        raise problems.url_invalid(str(error)) from error
    private = parse_networks(settings.webhook_private_networks)
    if target.scheme != "https" and not private:
        raise problems.url_not_https()
    if not _may_be_reachable(target, private):
        raise problems.url_not_public()


def _may_be_reachable(target: Target, private: tuple[Network, ...]) -> bool:
    if target.literal is not None:
        return may_reach(target.literal, private)
    # A name without a dot is one of our own network, if it is any.
    return bool(private) or ("." in target.host and not target.host.endswith(".localhost"))


def create(tenant_id: str, asked: WebhookRequest, settings: Settings) -> tuple[Webhook, str]:
    """Keep a webhook; returns its secret too.

    Raises:
        Refused: see `check_url`; or `webhooks_too_many`.
    """
    check_url(asked.url, settings)
    webhook = Webhook(
        id=new_id(PREFIX),
        tenant_id=tenant_id,
        url=asked.url,
        events=list(asked.events),
        description=asked.description,
        salt=new_salt(),
    )
    with transaction() as session:
        repository = WebhookRepository(session, tenant_id)
        if repository.count_locked() >= problems.LIMIT:
            raise problems.too_many_webhooks()
        repository.add(webhook)
        audit.note(session, tenant_id, "webhook.created", webhook.id)
        session.refresh(webhook)
    return webhook, secret_of(webhook.salt)


def get(tenant_id: str, webhook_id: str) -> Webhook:
    """One webhook.

    Raises:
        Refused: `webhook_not_found`.
    """
    with reading() as session:
        webhook = WebhookRepository(session, tenant_id).get(webhook_id)
    if webhook is None:
        raise problems.webhook_not_found()
    return webhook


def page_of(tenant_id: str, page: Page) -> tuple[list[Webhook], bool]:
    """A page of the tenant's webhooks, and whether more follow."""
    with reading() as session:
        return WebhookRepository(session, tenant_id).page(page)


def change(tenant_id: str, webhook_id: str, asked: WebhookChanges, settings: Settings) -> Webhook:
    """Change what is asked to be changed.

    Raises:
        Refused: `webhook_not_found`; or see `check_url`.
    """
    with transaction() as session:
        webhook = WebhookRepository(session, tenant_id).lock(webhook_id)
        if webhook is None:
            raise problems.webhook_not_found()
        if asked.url is not None:
            check_url(asked.url, settings)
            webhook.url = asked.url
        if asked.events is not None:
            webhook.events = list(asked.events)
        if asked.description is not None:
            webhook.description = asked.description
        if asked.enabled is True:
            webhook.disabled_at = webhook.disabled_reason = webhook.failing_since = None
        elif asked.enabled is False and webhook.disabled_at is None:
            webhooks.disable(session, webhook, webhooks.OWNER)
        audit.note(
            session, tenant_id, "webhook.updated", webhook.id, fields=sorted(asked.model_fields_set)
        )
        session.flush()
        session.refresh(webhook)
    return webhook


def rotate(tenant_id: str, webhook_id: str, asked: Rotation) -> tuple[Webhook, str]:
    """Give a webhook a new secret; the one before also signs for a while.

    Raises:
        Refused: `webhook_not_found`.
    """
    with transaction() as session:
        webhook = WebhookRepository(session, tenant_id).lock(webhook_id)
        if webhook is None:
            raise problems.webhook_not_found()
        webhook.old_salt = webhook.salt
        webhook.old_salt_until = datetime.now(UTC) + timedelta(seconds=asked.grace_seconds)
        webhook.salt = new_salt()
        audit.note(
            session, tenant_id, "webhook.rotated", webhook.id, grace_seconds=asked.grace_seconds
        )
    return webhook, secret_of(webhook.salt)


def delete(tenant_id: str, webhook_id: str) -> None:
    """Delete a webhook, what waits to be sent to it, and its log.

    Raises:
        Refused: `webhook_not_found`.
    """
    with transaction() as session:
        repository = WebhookRepository(session, tenant_id)
        webhook = repository.lock(webhook_id)
        if webhook is None:
            raise problems.webhook_not_found()
        repository.remove(webhook)
        audit.note(session, tenant_id, "webhook.deleted", webhook.id)


def test(tenant_id: str, webhook_id: str) -> WebhookDelivery:
    """Have a test message sent.

    Raises:
        Refused: `webhook_not_found` or `webhook_disabled`.
    """
    with transaction() as session:
        webhook = WebhookRepository(session, tenant_id).lock(webhook_id)
        if webhook is None:
            raise problems.webhook_not_found()
        if webhook.disabled_at is not None:
            raise problems.webhook_disabled()
        delivery = webhooks.post_test(session, webhook)
        audit.note(session, tenant_id, "webhook.tested", webhook.id, delivery_id=delivery.id)
        session.refresh(delivery)
    return delivery


def deliveries(
    tenant_id: str, webhook_id: str, page: Page, status: str | None
) -> tuple[list[WebhookDelivery], bool]:
    """A page of what was sent to a webhook, and whether more follow.

    Raises:
        Refused: `webhook_not_found`.
    """
    get(tenant_id, webhook_id)
    with reading() as session:
        return DeliveryRepository(session, tenant_id, webhook_id).page(page, status)


def delivery(tenant_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """One delivery.

    Raises:
        Refused: `webhook_not_found` or `delivery_not_found`.
    """
    get(tenant_id, webhook_id)
    with reading() as session:
        found = DeliveryRepository(session, tenant_id, webhook_id).get(delivery_id)
    if found is None:
        raise problems.delivery_not_found()
    return found


def redeliver(tenant_id: str, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Send a message again, at once and with the whole schedule; one under way stays as it is.

    Raises:
        Refused: `webhook_not_found`, `delivery_not_found` or `webhook_disabled`.
    """
    with transaction() as session:
        webhook = WebhookRepository(session, tenant_id).lock(webhook_id)
        if webhook is None:
            raise problems.webhook_not_found()
        found = DeliveryRepository(session, tenant_id, webhook_id).lock(delivery_id)
        if found is None:
            raise problems.delivery_not_found()
        if webhook.disabled_at is not None:
            raise problems.webhook_disabled()
        now = datetime.now(UTC)
        if found.lease_expires_at is None or found.lease_expires_at < now:
            found.status = webhooks.PENDING
            found.failures = 0
            found.next_attempt_at = now
            found.finished_at = None
        audit.note(session, tenant_id, "webhook.redelivered", webhook.id, delivery_id=found.id)
    return found
