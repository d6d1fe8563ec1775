"""Tenants: their keys, what they asked for, used and did."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.tables.base import JSON, Base


class Tenant(Base):
    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    # Limits of its own, by name; see `core.quotas`. What is not named is as the settings say.
    quotas: Mapped[JSON] = mapped_column(default=dict, server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Base):
    """A bearer key. Only its HMAC is stored; `hint` is the part that may be shown.

    After a rotation the secret before it works until `previous_expires_at`.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    hint: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    previous_digest: Mapped[str | None] = mapped_column(unique=True)
    previous_expires_at: Mapped[datetime | None]
    # See `core.scopes`.
    scopes: Mapped[list[str]] = mapped_column(server_default=text("""'["all"]'"""))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ComputeUsage(Base):
    """Seconds that workers computed for a tenant on one day (UTC). Outlives what they were for."""

    __tablename__ = "compute_usage"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    seconds: Mapped[float]


class AuditEvent(Base):
    """Who did what to what; the database refuses to change or delete one. See `core.audit`."""

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_events_object", "tenant_id", "object_id", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    actor_type: Mapped[str]
    api_key_id: Mapped[str | None]
    action: Mapped[str]
    object_id: Mapped[str]
    request_id: Mapped[str | None]
    details: Mapped[JSON]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class IdempotencyKey(Base):
    """A POST that was sent with an `Idempotency-Key`, and its answer once there is one."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    status: Mapped[int | None]
    headers: Mapped[JSON | None]
    body: Mapped[bytes | None]
