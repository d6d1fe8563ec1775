"""What an audit event looks like to its owner."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from core import tables
from service.datasets import schemas as datasets
from service.kit.documented import EXAMPLE_REQUEST_ID
from service.kit.pages import ListOf


class Actor(BaseModel):
    """Who did it."""

    type: Literal["api_key", "operator", "system"] = Field(
        description="`api_key`: one of your keys. `operator`: whoever runs this server, on its "
        "machine. `system`: the server by itself, such as when a time that you chose was over."
    )
    api_key_id: str | None = Field(description="The key, if it was one.")


class AuditEvent(BaseModel):
    """Something that was done. It never changes, and holds no secret, name or label."""

    id: str = Field(description="Starts with `aud_`.")
    object: Literal["audit_event"] = "audit_event"
    action: str = Field(description="What was done, as noun and verb: `dataset.deleted`.")
    object_id: str = Field(description="To which object; it may be gone by now.")
    actor: Actor
    request_id: str | None = Field(
        description="The `X-Request-ID` of the call; null if it was not done by a call."
    )
    details: dict[str, Any] = Field(description="More about it: ids, words of ours and numbers.")
    created_at: datetime = Field(description="When.")

    @classmethod
    def of(cls, row: tables.AuditEvent) -> Self:
        """The public view of a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "action": row.action,
                "object_id": row.object_id,
                "actor": {"type": row.actor_type, "api_key_id": row.api_key_id},
                "request_id": row.request_id,
                "details": row.details,
                "created_at": row.created_at,
            }
        )


PAGE = ListOf[AuditEvent](
    data=[
        AuditEvent(
            id="aud_01k9xa2c4e6g8j0k2m4n6p8q0r",
            action="dataset.updated",
            object_id=datasets.READY.id,
            actor=Actor(type="api_key", api_key_id="key_01k9x4b6n8q0s2t4v6w8y0z2c4"),
            request_id=EXAMPLE_REQUEST_ID,
            details={"retention_seconds": 604800},
            created_at=datetime.fromisoformat("2026-11-23T09:12:00Z"),
        )
    ],
    has_more=False,
)
