"""Bearer keys: 256 random bits shown once, stored as an HMAC under the server's secret."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, func, select, true, update
from sqlalchemy.orm import Session

from core.ids import new_id
from core.settings import get_settings
from core.tables import ApiKey, Tenant

PREFIX = "ul_"


@dataclass(frozen=True)
class Caller:
    """Who is asking."""

    tenant_id: str
    key_id: str


def digest(key: str) -> str:
    """What is stored of a key. Without the server's secret, stolen rows open nothing."""
    secret = get_settings().secret_key.get_secret_value()
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()


def create(session: Session, tenant: str, name: str) -> str:
    """Create a key for the tenant called `tenant` (created too if new) and return it, once."""
    tenant_id = session.scalar(select(Tenant.id).where(Tenant.name == tenant))
    if tenant_id is None:
        tenant_id = new_id("ten")
        session.add(Tenant(id=tenant_id, name=tenant))
        session.flush()
    key = PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            id=new_id("key"),
            tenant_id=tenant_id,
            name=name,
            hint=f"{key[:7]}...{key[-4:]}",
            digest=digest(key),
        )
    )
    session.flush()
    return key


def find(session: Session, key: str) -> Caller | None:
    """The owner of a key, or None if it is unknown or revoked."""
    row = session.execute(_FIND, {"digest": digest(key)}).one_or_none()
    if row is None:
        return None
    if row.is_stale:
        session.execute(update(ApiKey).where(ApiKey.id == row.id).values(last_used_at=func.now()))
    return Caller(tenant_id=row.tenant_id, key_id=row.id)


# Once a minute is precise enough, and spares a write per request. Built once: every call needs it.
_FIND = select(
    ApiKey.tenant_id,
    ApiKey.id,
    func.coalesce(ApiKey.last_used_at < func.now() - timedelta(minutes=1), true()).label(
        "is_stale"
    ),
).where(ApiKey.digest == bindparam("digest"), ApiKey.revoked_at.is_(None))
