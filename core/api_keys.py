"""Bearer keys: 256 random bits shown once, stored as an HMAC under the server's secret."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, true, update
from sqlalchemy.orm import Session

from core import audit
from core.ids import new_id
from core.scopes import ALL
from core.settings import get_settings
from core.tables import ApiKey, Tenant

PREFIX = "ul_"
NOTED_EVERY = timedelta(minutes=1)  # precise enough for people, and spares a write per request


@dataclass(frozen=True)
class Caller:
    """Who is asking, and what it may do."""

    tenant_id: str
    key_id: str
    scopes: frozenset[str] = frozenset({ALL})
    expires_at: datetime | None = None
    use_is_stale: bool = False  # whether `last_used_at` says less than it should


@dataclass(frozen=True)
class Secret:
    """A new secret and what is stored of it."""

    text: str

    @classmethod
    def new(cls) -> "Secret":
        return cls(PREFIX + secrets.token_urlsafe(32))

    @property
    def hint(self) -> str:
        """The part that may be shown."""
        return f"{self.text[:7]}...{self.text[-4:]}"

    @property
    def digest(self) -> str:
        return digest(self.text)


def digest(key: str) -> str:
    """What is stored of a key. Without the server's secret, stolen rows open nothing."""
    secret = get_settings().secret_key.get_secret_value()
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()


def create(session: Session, tenant: str, name: str, scopes: Sequence[str] = (ALL,)) -> str:
    """Create a key for the tenant called `tenant` (created too if new) and return it, once."""
    tenant_id = session.scalar(select(Tenant.id).where(Tenant.name == tenant))
    if tenant_id is None:
        tenant_id = new_id("ten")
        session.add(Tenant(id=tenant_id, name=tenant))
        session.flush()
    with audit.acting(audit.Actor("operator")):
        _, secret = add(session, tenant_id, name, scopes)
    return secret.text


def add(
    session: Session,
    tenant_id: str,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, Secret]:
    """Add a key to a tenant that is there."""
    secret = Secret.new()
    row = ApiKey(
        id=new_id("key"),
        tenant_id=tenant_id,
        name=name,
        hint=secret.hint,
        digest=secret.digest,
        scopes=list(scopes),
        expires_at=expires_at,
    )
    session.add(row)
    audit.note(session, tenant_id, "api_key.created", row.id, scopes=list(scopes))
    session.flush()
    return row, secret


def rotate(row: ApiKey, grace: timedelta) -> Secret:
    """Give a key another secret. The old one works for `grace` longer; one before it, no more."""
    secret = Secret.new()
    row.previous_digest = row.digest if grace else None
    row.previous_expires_at = func.now() + grace if grace else None
    row.digest = secret.digest
    row.hint = secret.hint
    return secret


def find(session: Session, key: str) -> Caller | None:
    """The owner of a key, or None if it is unknown, revoked or has expired."""
    row = session.execute(_FIND, {"digest": digest(key)}).one_or_none()
    if row is None:
        return None
    return Caller(
        tenant_id=row.tenant_id,
        key_id=row.id,
        scopes=frozenset(row.scopes),
        expires_at=row.expires_at,
        use_is_stale=row.is_stale,
    )


def has_expired(session: Session, key: str) -> bool:
    """Whether a key that is not found was good once: it has expired, or was rotated."""
    known = select(ApiKey.id).where(_IS_DIGEST, ApiKey.revoked_at.is_(None))
    return session.scalar(known, {"digest": digest(key)}) is not None


def note_use(session: Session, key_id: str) -> None:
    """Write down that a key was used, unless that was done within the last minute."""
    due = (
        select(ApiKey.id)
        .where(ApiKey.id == key_id, _IS_STALE)
        .with_for_update(skip_locked=True, key_share=True)
        .scalar_subquery()
    )
    session.execute(
        update(ApiKey)
        .where(ApiKey.id == due)
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


# Built once: every call needs them.
_IS_STALE = func.coalesce(ApiKey.last_used_at < func.now() - NOTED_EVERY, true())
_IS_DIGEST = or_(
    ApiKey.digest == bindparam("digest"), ApiKey.previous_digest == bindparam("digest")
)
_FIND = select(
    ApiKey.tenant_id, ApiKey.id, ApiKey.scopes, ApiKey.expires_at, _IS_STALE.label("is_stale")
).where(
    _IS_DIGEST,
    ApiKey.revoked_at.is_(None),
    or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()),
    or_(ApiKey.digest == bindparam("digest"), ApiKey.previous_expires_at > func.now()),
)
