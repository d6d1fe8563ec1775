"""What happened, and whom it is told."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.tables.base import JSON, Base


class Event(Base):
    """What happened to a dataset or a job, written in the transaction that made it so."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_subject_id_id", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    subject_id: Mapped[str]
    type: Mapped[str]
    data: Mapped[JSON] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Webhook(Base):
    """Where a tenant wants to be told of events. Its secrets are made from the salts."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_tenant_id_id", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str]
    description: Mapped[str]
    events: Mapped[list[str]]
    salt: Mapped[str]
    # The salt before, with which messages are also signed until then.
    old_salt: Mapped[str | None]
    old_salt_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    # Since when no attempt has succeeded, if the last one has not.
    failing_since: Mapped[datetime | None]


class WebhookDelivery(Base):
    """A message for one webhook: what shall be sent, and what became of it.

    While somebody sends it, `lease_expires_at` lies ahead and `next_attempt_at` is the same moment:
    a sender that dies leaves it to be sent again. `claims` counts the senders; each one's last
    write names the number it was given.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
        # In the order in which `worker.webhooks.queue` looks.
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "next_attempt_at",
            postgresql_where="status = 'pending'",
        ),
        Index(
            "ix_webhook_deliveries_leased",
            "lease_expires_at",
            postgresql_where="status = 'pending'",
        ),
        Index("ix_webhook_deliveries_finished_at", "finished_at"),
        Index("ix_webhook_deliveries_subject_id", "subject_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    # The same for all webhooks and attempts: receivers know by it what they have seen.
    event_id: Mapped[str]
    subject_id: Mapped[str]  # what it happened to
    type: Mapped[str]
    body: Mapped[str]  # the very characters that are signed
    status: Mapped[str]
    # Of the schedule, since the owner last asked for it: how many attempts have failed.
    failures: Mapped[int] = mapped_column(default=0)
    # The last attempts: at, status_code, error, latency_ms, response.
    attempts: Mapped[list[JSON]] = mapped_column(JSONB, default=list)
    next_attempt_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    claims: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
