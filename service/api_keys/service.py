"""Making, rotating and revoking keys, within what the key that asks may do."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import api_keys, audit
from core.api_keys import Caller
from core.database import reading, transaction
from core.scopes import beyond
from core.tables import ApiKey
from service.api_keys import problems
from service.api_keys.repository import ApiKeyRepository
from service.api_keys.schemas import MOST_SECONDS, ApiKeyRequest, RotateRequest
from service.kit.pages import Page

MOST_KEYS = 100  # each has a rate limit of its own


def create(caller: Caller, asked: ApiKeyRequest) -> tuple[ApiKey, str]:
    """Make a key and return it with its secret, which is not kept.

    Raises:
        Refused: `expiry_ambiguous`, `expiry_out_of_range`, `scope_exceeded`, `expiry_exceeded`,
            `api_keys_too_many`.
    """
    wanted = sorted(set(asked.scopes or caller.scopes))
    _refuse_more(caller, wanted)
    ends = _end(asked) or caller.expires_at
    _refuse_longer(caller, ends)
    with transaction() as session:
        if ApiKeyRepository(session, caller.tenant_id).count_working() >= MOST_KEYS:
            raise problems.api_keys_too_many(MOST_KEYS)
        row, secret = api_keys.add(session, caller.tenant_id, asked.name, wanted, ends)
    return row, secret.text


def rotate(caller: Caller, key_id: str, asked: RotateRequest) -> tuple[ApiKey, str]:
    """Give a key another secret; its scopes stay, and its end unless another one is named.

    Raises:
        Refused: `api_key_not_found`, `api_key_revoked`, and as `create`.
    """
    ends = _end(asked)
    with transaction() as session:
        row = _locked(session, caller.tenant_id, key_id)
        if row.revoked_at is not None:
            raise problems.api_key_revoked()
        _refuse_more(caller, row.scopes)
        if ends is not None:
            row.expires_at = ends
        _refuse_longer(caller, row.expires_at)
        secret = api_keys.rotate(row, timedelta(seconds=asked.grace_seconds))
        audit.note(
            session,
            caller.tenant_id,
            "api_key.rotated",
            row.id,
            grace_seconds=asked.grace_seconds,
        )
        session.flush()
        session.refresh(row)
    return row, secret.text


def revoke(caller: Caller, key_id: str) -> None:
    """Let a key open nothing any more, from this moment. Doing so twice changes nothing.

    Raises:
        Refused: `api_key_not_found`.
    """
    with transaction() as session:
        row = _locked(session, caller.tenant_id, key_id)
        if row.revoked_at is None:
            row.revoked_at = func.now()
            row.previous_digest = row.previous_expires_at = None
        audit.note(session, caller.tenant_id, "api_key.revoked", row.id)


def get(tenant_id: str, key_id: str) -> ApiKey:
    """One key.

    Raises:
        Refused: `api_key_not_found`.
    """
    with reading() as session:
        row = ApiKeyRepository(session, tenant_id).get(key_id)
    if row is None:
        raise problems.api_key_not_found()
    return row


def page_of(tenant_id: str, page: Page) -> tuple[list[ApiKey], bool]:
    """A page of the tenant's keys, and whether more follow."""
    with reading() as session:
        return ApiKeyRepository(session, tenant_id).page(page)


def _locked(session: Session, tenant_id: str, key_id: str) -> ApiKey:
    row = ApiKeyRepository(session, tenant_id).lock(key_id)
    if row is None:
        raise problems.api_key_not_found()
    return row


def _end(asked: ApiKeyRequest | RotateRequest) -> datetime | None:
    if asked.expires_at is not None and asked.expires_in is not None:
        raise problems.expiry_ambiguous()
    now = datetime.now(UTC)
    if asked.expires_in is not None:
        return now + timedelta(seconds=asked.expires_in)
    latest = now + timedelta(seconds=MOST_SECONDS)
    if asked.expires_at is not None and not now < asked.expires_at < latest:
        raise problems.expiry_out_of_range()
    return asked.expires_at


def _refuse_more(caller: Caller, scopes: list[str]) -> None:
    lacking = beyond(caller.scopes, scopes)
    if lacking:
        raise problems.scope_exceeded(lacking)


def _refuse_longer(caller: Caller, ends: datetime | None) -> None:
    if caller.expires_at is not None and (ends is None or ends > caller.expires_at):
        raise problems.expiry_exceeded()
