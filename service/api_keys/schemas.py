"""What an API key looks like to its owner, and how one is asked for."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core import tables
from core.scopes import Scope
from core.whole import WHOLE
from service.kit.moment import Moment
from service.kit.pages import ListOf
from service.kit.text import printable

MOST_SECONDS = 10 * 365 * 24 * 3600
LONGEST_GRACE = 7 * 24 * 3600


def _shown(name: str) -> str:
    name = printable(name)
    if not name:
        raise ValueError("must have a character that can be seen")
    return name


class _Expiring(BaseModel):
    """What says when a key ends."""

    model_config = ConfigDict(extra="forbid")

    expires_at: Moment | None = Field(
        default=None, description="When the key stops working, in ISO 8601 with a time zone."
    )
    expires_in: Annotated[int, Field(strict=True, ge=60, le=MOST_SECONDS), WHOLE] | None = Field(
        default=None, description="The same in seconds from now, instead of `expires_at`."
    )


class ApiKeyRequest(_Expiring):
    """A key that shall be made. One that asks cannot give more than it has, nor for longer."""

    name: Annotated[str, AfterValidator(_shown)] = Field(
        min_length=1, max_length=100, description="What the key is for, for you to know it by."
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="What the key may do; every call of this document names the scope that it "
        "takes. `all`: everything, also what comes later. Null: the same as the key that asks.",
    )


class RotateRequest(_Expiring):
    """How a key gets another secret."""

    grace_seconds: Annotated[int, Field(strict=True, ge=0, le=LONGEST_GRACE), WHOLE] = Field(
        default=0,
        description="How long the old secret works beside the new one, up to a week; 0: not at "
        "all. A secret from before the old one stops working at once.",
    )


class ApiKey(BaseModel):
    """A key. Its secret is not kept: only `hint` can be shown."""

    id: str = Field(description="Starts with `key_`.")
    object: Literal["api_key"] = "api_key"
    name: str = Field(description="What the key is for.")
    hint: str = Field(description="Beginning and end of its secret.")
    scopes: list[Scope] = Field(description="What it may do. `all`: everything.")
    created_at: datetime
    last_used_at: datetime | None = Field(
        description="When it was last used, to a minute; null: never."
    )
    expires_at: datetime | None = Field(description="When it stops working; null: never.")
    previous_secret_expires_at: datetime | None = Field(
        description="After a rotation: until when the secret before it works as well."
    )
    revoked_at: datetime | None = Field(
        description="Since when it opens nothing any more; null: it was not revoked."
    )

    @classmethod
    def of(cls, row: tables.ApiKey) -> Self:
        """The public view of a row."""
        return cls.model_validate(_fields(row))


class ApiKeyWithSecret(ApiKey):
    """A key, with its secret: it is shown this once."""

    secret: str | None = Field(
        description="Send it as `Authorization: Bearer ...` and keep it where secrets are kept. "
        "Null in an answer that is given again under an `Idempotency-Key`: it is shown once; "
        "rotate the key if you have not got it."
    )

    @classmethod
    def showing(cls, row: tables.ApiKey, secret: str) -> Self:
        return cls.model_validate({**_fields(row), "secret": secret})


def _fields(row: tables.ApiKey) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scopes": row.scopes,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "previous_secret_expires_at": row.previous_expires_at,
        "revoked_at": row.revoked_at,
    }


REQUESTS = {
    "a key for a script that uploads and downloads": ApiKeyRequest(
        name="nightly", scopes=["datasets:write", "jobs:read", "jobs:write"], expires_in=7776000
    ),
    "another key like this one": ApiKeyRequest(name="laptop"),
}
ROTATION = RotateRequest(grace_seconds=86400)
EXAMPLE = ApiKey(
    id="key_01k9x4b6n8q0s2t4v6w8y0z2c4",
    name="nightly",
    hint="ul_4fGk...x9Qw",
    scopes=["datasets:write", "jobs:read", "jobs:write"],
    created_at=datetime.fromisoformat("2026-11-22T10:15:00Z"),
    last_used_at=datetime.fromisoformat("2026-11-23T02:00:12Z"),
    expires_at=datetime.fromisoformat("2027-02-20T10:15:00Z"),
    previous_secret_expires_at=None,
    revoked_at=None,
)
CREATED = ApiKeyWithSecret(
    **EXAMPLE.model_copy(update={"last_used_at": None}).model_dump(),
    secret="ul_4fGk...",  # noqa: S106  an example that opens nothing
)
ROTATED = ApiKeyWithSecret(
    **EXAMPLE.model_copy(
        update={"previous_secret_expires_at": datetime.fromisoformat("2026-11-24T10:15:00Z")}
    ).model_dump(),
    secret="ul_4fGk...",  # noqa: S106
)
PAGE = ListOf[ApiKey](data=[EXAMPLE], has_more=False)
