"""Who did what to what, and when: a row in the transaction of the change, which nobody can alter.

An event holds ids, words of ours and numbers; never a secret, a label, or a name of an owner's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy.orm import Session

from core.ids import new_id
from core.tables import AuditEvent

PREFIX = "aud"
ActorType = Literal["api_key", "operator", "system"]


@dataclass
class Actor:
    """Who acts. Of a request the key becomes known while it is answered."""

    type: ActorType
    api_key_id: str | None = None
    request_id: str | None = None


_SYSTEM = Actor("system")
_actor: ContextVar[Actor] = ContextVar("actor", default=_SYSTEM)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """Whatever is done within the block, also in threads of its pool, is done by `actor`."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def identified(api_key_id: str) -> None:
    """The key of the request that is being answered."""
    actor = _actor.get()
    if actor is not _SYSTEM:
        actor.api_key_id = api_key_id


def note(session: Session, tenant_id: str, action: str, object_id: str, **details: Any) -> None:
    """Write down that `action` was done to the object.

    Args:
        action: noun and verb, such as `job.cancelled`.
        details: ids, words of ours and numbers.
    """
    actor = _actor.get()
    session.add(
        AuditEvent(
            id=new_id(PREFIX),
            tenant_id=tenant_id,
            actor_type=actor.type,
            api_key_id=actor.api_key_id,
            action=action,
            object_id=object_id,
            request_id=actor.request_id,
            details=details,
        )
    )
