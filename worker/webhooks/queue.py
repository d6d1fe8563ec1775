"""The queue of messages: whose turn it is, and what becomes of one that was sent.

PostgreSQL is the queue, as for steps. A claim is a lease: a sender that dies leaves its messages to
be sent again, under the same id. Nobody is held up by anybody's dead receiver, because each webhook
and each tenant may only have so many messages under way.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import webhooks
from core.settings import Settings
from core.tables import Webhook, WebhookDelivery
from core.webhook_secrets import secret_of
from worker.webhooks.schedule import next_delay

PER_WEBHOOK = 4
PER_TENANT = 16
KEPT_ATTEMPTS = 20
OK = range(200, 300)
GONE = 410

# Webhooks with pending messages are found by skipping along `ix_webhook_deliveries_pending`, and
# only a few heads of each are read, however many wait. Then tenants take turns.
_CLAIM = text(
    """
    WITH RECURSIVE hooks(webhook_id) AS (
        (SELECT webhook_id FROM webhook_deliveries WHERE status = 'pending'
         ORDER BY webhook_id LIMIT 1)
        UNION ALL
        SELECT (SELECT d.webhook_id FROM webhook_deliveries d
                WHERE d.status = 'pending' AND d.webhook_id > h.webhook_id
                ORDER BY d.webhook_id LIMIT 1)
        FROM hooks h WHERE h.webhook_id IS NOT NULL
    ), leased AS (
        SELECT webhook_id, tenant_id FROM webhook_deliveries
        WHERE status = 'pending' AND lease_expires_at > now()
    ), heads AS (
        SELECT d.*, row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.next_attempt_at, d.id)
            + (SELECT count(*) FROM leased WHERE leased.webhook_id = d.webhook_id) AS place
        FROM hooks CROSS JOIN LATERAL (
            SELECT id, webhook_id, tenant_id, next_attempt_at FROM webhook_deliveries
            WHERE webhook_id = hooks.webhook_id AND status = 'pending' AND next_attempt_at <= now()
            ORDER BY next_attempt_at, id LIMIT :per_webhook
        ) d
    ), turns AS (
        SELECT id, next_attempt_at,
            row_number() OVER (PARTITION BY tenant_id ORDER BY place, next_attempt_at, id)
            + (SELECT count(*) FROM leased WHERE leased.tenant_id = heads.tenant_id) AS turn
        FROM heads WHERE place <= :per_webhook
    ), taken AS MATERIALIZED (
        SELECT d.id FROM turns JOIN webhook_deliveries d ON d.id = turns.id
        WHERE turns.turn <= :per_tenant AND d.status = 'pending' AND d.next_attempt_at <= now()
        ORDER BY turns.turn, turns.next_attempt_at LIMIT :free
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE webhook_deliveries SET
        claims = claims + 1,
        lease_expires_at = now() + make_interval(secs => :lease),
        next_attempt_at = now() + make_interval(secs => :lease)
    FROM taken WHERE webhook_deliveries.id = taken.id
    RETURNING webhook_deliveries.id
    """
)


@dataclass(frozen=True)
class Claim:
    """A message in the hands of a sender; `secrets` are what it is signed with."""

    delivery_id: str
    token: int
    webhook_id: str
    tenant_id: str
    event_id: str
    body: str
    url: str
    secrets: tuple[str, ...]

    @property
    def log_fields(self) -> dict[str, Any]:
        """What every log line about this attempt names."""
        return {
            "tenant": self.tenant_id,
            "webhook_id": self.webhook_id,
            "delivery_id": self.delivery_id,
        }


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    `error` is None if the message was received, else a stable word; `response` is the beginning of
    the receiver's answer.
    """

    latency_ms: int
    status_code: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: timedelta | None = None


def claim(session: Session, free: int, lease_seconds: float) -> list[Claim]:
    """Take up to `free` messages that are due."""
    ids = session.scalars(
        _CLAIM,
        {
            "free": free,
            "lease": lease_seconds,
            "per_webhook": PER_WEBHOOK,
            "per_tenant": PER_TENANT,
        },
    ).all()
    rows = session.execute(
        select(WebhookDelivery, Webhook)
        .join(Webhook, Webhook.id == WebhookDelivery.webhook_id)
        .where(WebhookDelivery.id.in_(ids))
    )
    claims = []
    for delivery, webhook in rows:
        if webhook.disabled_at is not None:  # while this message was being written
            _end(delivery, webhooks.CANCELLED)
        else:
            claims.append(_claim(delivery, webhook))
    return claims


def _claim(delivery: WebhookDelivery, webhook: Webhook) -> Claim:
    salts = [webhook.salt]
    if webhook.old_salt and webhook.old_salt_until and webhook.old_salt_until > datetime.now(UTC):
        salts.append(webhook.old_salt)
    return Claim(
        delivery_id=delivery.id,
        token=delivery.claims,
        webhook_id=webhook.id,
        tenant_id=webhook.tenant_id,
        event_id=delivery.event_id,
        body=delivery.body,
        url=webhook.url,
        secrets=tuple(map(secret_of, salts)),
    )


def finish(session: Session, claim: Claim, outcome: Outcome, settings: Settings) -> None:
    """Write down how an attempt ended, and what follows.

    Nothing is written of a message that is somebody else's by now, or gone.
    """
    webhook = session.scalars(
        select(Webhook).where(Webhook.id == claim.webhook_id).with_for_update(key_share=True)
    ).one_or_none()
    delivery = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == claim.delivery_id, WebhookDelivery.claims == claim.token)
        .with_for_update()
    ).one_or_none()
    if webhook is None or delivery is None:
        return
    now = datetime.now(UTC)
    delivery.lease_expires_at = None
    delivery.attempts = [*delivery.attempts, _note(outcome, now)][-KEPT_ATTEMPTS:]
    if outcome.error is None:
        webhook.failing_since = None
        _end(delivery, webhooks.SUCCEEDED)
        return
    if delivery.status != webhooks.PENDING:  # its webhook was disabled meanwhile
        return
    delivery.failures += 1
    delay = next_delay(delivery.failures, outcome.retry_after)
    if delay is None or outcome.status_code == GONE:
        _end(delivery, webhooks.FAILED)
    else:
        delivery.next_attempt_at = now + delay
    since = webhook.failing_since = webhook.failing_since or now
    if webhook.disabled_at is not None:
        return
    session.flush()
    if outcome.status_code == GONE:
        webhooks.disable(session, webhook, webhooks.GONE)
    elif now - since > timedelta(days=settings.webhook_failing_days):
        webhooks.disable(session, webhook, webhooks.FAILING)


def _end(delivery: WebhookDelivery, status: str) -> None:
    delivery.status = status
    delivery.finished_at = func.now()
    delivery.next_attempt_at = None
    delivery.lease_expires_at = None


def _note(outcome: Outcome, now: datetime) -> dict[str, Any]:
    began = now - timedelta(milliseconds=outcome.latency_ms)
    return {
        "at": began.isoformat(),
        "status_code": outcome.status_code,
        "error": outcome.error,
        "latency_ms": outcome.latency_ms,
        "response": outcome.response,
    }
