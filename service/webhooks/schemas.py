"""What a webhook and a delivery look like to their owner, and how one is asked for."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictStr

from core import tables, webhooks
from core.webhook_targets import MAX_URL
from core.whole import WHOLE
from service.jobs import schemas as jobs
from service.kit.pages import ListOf
from service.kit.text import printable

MAX_GRACE_SECONDS = 7 * 24 * 3600
DAY = 24 * 3600

DeliveryStatus = Literal["pending", "succeeded", "failed", "cancelled"]
EventType = Literal[
    "*",
    "job.running",
    "job.paused",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "job.results_expired",
    "evaluation.running",
    "evaluation.succeeded",
    "evaluation.failed",
    "evaluation.cancelled",
    "study.running",
    "study.succeeded",
    "study.failed",
    "study.cancelled",
    "dataset.ready",
    "dataset.rejected",
    "dataset.deleted",
    "dataset.erased",
    "webhook.disabled",
]
Url = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=MAX_URL,
        description="Where messages are sent by POST: https, on a public address.",
    ),
]
Events = Annotated[
    list[EventType],
    Field(
        min_length=1,
        max_length=50,
        description="What it is told of; `*` is everything, also what is added later. "
        + " ".join(f"`{name}`: {meaning}" for name, meaning in webhooks.EVENTS.items()),
    ),
    AfterValidator(lambda names: list(dict.fromkeys(names))),
]
Description = Annotated[
    StrictStr,
    Field(max_length=200, description="A note of yours."),
    AfterValidator(printable),
]


class WebhookRequest(BaseModel):
    """Where to send what."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events = Field(default=["*"])
    description: Description = ""


class WebhookChanges(BaseModel):
    """What shall be different. What is left out or null stays as it is."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: StrictBool | None = Field(
        default=None,
        description="`false` ends what waits to be sent. `true` also forgives past failures; what "
        "happened in between is not sent.",
    )


class Rotation(BaseModel):
    """How to change the secret."""

    model_config = ConfigDict(extra="forbid")

    grace_seconds: Annotated[int, Field(strict=True, ge=0, le=MAX_GRACE_SECONDS), WHOLE] = Field(
        default=DAY,
        description="For so long messages are signed with the old secret too, beside the new one.",
    )


class Webhook(BaseModel):
    """A receiver of yours that is told what happens."""

    id: str = Field(description="Starts with `wh_`.")
    object: Literal["webhook"] = "webhook"
    url: str
    events: list[str] = Field(description="What it is told of; `*` is everything.")
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: Literal["gone", "failing", "owner"] | None = Field(
        description="`gone`: the receiver has answered 410. `failing`: no attempt has succeeded "
        "for days. `owner`: you did it."
    )
    failing_since: datetime | None = Field(
        description="Since when no attempt has succeeded; null if the last one did."
    )
    old_secret_until: datetime | None = Field(
        description="Until when messages are signed with the secret before, too."
    )
    created_at: datetime

    @classmethod
    def of(cls, row: tables.Webhook) -> Self:
        """The public view of a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "url": row.url,
                "events": row.events,
                "description": row.description,
                "enabled": row.disabled_at is None,
                "disabled_at": row.disabled_at,
                "disabled_reason": row.disabled_reason,
                "failing_since": row.failing_since,
                "old_secret_until": row.old_salt_until
                if row.old_salt_until and row.old_salt_until > datetime.now(UTC)
                else None,
                "created_at": row.created_at,
            }
        )


class WebhookWithSecret(Webhook):
    """A webhook, and once the secret that its messages are signed with."""

    secret: str | None = Field(
        description="`whsec_` and base64, after Standard Webhooks. Shown only now: keep it with "
        "the receiver. Null in an answer that is replayed for an `Idempotency-Key`."
    )


class Attempt(BaseModel):
    """One attempt to send a message."""

    at: datetime
    status_code: int | None = Field(description="What the receiver answered; null if nothing.")
    error: str | None = Field(
        description="Null if it was received, with 2xx. Else `timeout`, `name_unresolved`, "
        "`address_refused` (not a public one), `unreachable`, `tls_failed`, `protocol_error`, "
        "`redirect` (they are not followed) or `status`."
    )
    latency_ms: int
    response: str | None = Field(description="The beginning of the answer's body: 1 KiB at most.")


class Delivery(BaseModel):
    """A message for a webhook, and every attempt to send it."""

    id: str = Field(description="Starts with `dlv_`.")
    object: Literal["webhook.delivery"] = "webhook.delivery"
    webhook_id: str
    event_id: str = Field(
        description="What is sent as `webhook-id`: the same in every attempt, and for each of your "
        "webhooks."
    )
    type: str
    status: DeliveryStatus = Field(
        description="`pending`, then `succeeded`, `failed` (no attempt is left) or `cancelled` "
        "(the webhook was disabled)."
    )
    attempts: list[Attempt] = Field(description="The last 20, oldest first.")
    next_attempt_at: datetime | None = Field(description="While it is `pending`.")
    payload: dict[str, Any] = Field(description="What is sent.")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, row: tables.WebhookDelivery) -> Self:
        """The public view of a row."""
        return cls.model_validate(
            {
                "id": row.id,
                "webhook_id": row.webhook_id,
                "event_id": row.event_id,
                "type": row.type,
                "status": row.status,
                "attempts": row.attempts,
                "next_attempt_at": row.next_attempt_at,
                "payload": json.loads(row.body),
                "created_at": row.created_at,
                "finished_at": row.finished_at,
            }
        )


REQUESTS = {
    "everything": WebhookRequest(url="https://example.com/unlearnable"),
    "only the end of jobs": WebhookRequest(
        url="https://example.com/unlearnable",
        events=["job.succeeded", "job.failed", "job.cancelled"],
        description="release pipeline",
    ),
}
CHANGES = WebhookChanges(events=["job.succeeded", "job.failed"], enabled=True)
EXAMPLE = Webhook(
    id="wh_01k9x5d3e5f7g9h1j2k4m6n8pq",
    url="https://example.com/unlearnable",
    events=["*"],
    description="",
    enabled=True,
    disabled_at=None,
    disabled_reason=None,
    failing_since=None,
    old_secret_until=None,
    created_at=datetime.fromisoformat("2026-11-22T10:00:00Z"),
)
CREATED = WebhookWithSecret.model_validate(
    {**EXAMPLE.model_dump(), "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDPzcmMWpDaWE="}
)
ROTATED = CREATED.model_copy(
    update={"old_secret_until": datetime.fromisoformat("2026-11-23T10:20:00Z")}
)
PAGE = ListOf[Webhook](data=[EXAMPLE], has_more=False)
RECEIVED = Delivery(
    id="dlv_01k9x5f4g6h8j0k1m3n5p7q9rs",
    webhook_id=EXAMPLE.id,
    event_id="evt_0000000000000000000000010m",
    type="job.succeeded",
    status="succeeded",
    attempts=[
        Attempt(
            at=datetime.fromisoformat("2026-11-22T10:18:22Z"),
            status_code=503,
            error="status",
            latency_ms=41,
            response="restarting",
        ),
        Attempt(
            at=datetime.fromisoformat("2026-11-22T10:18:27Z"),
            status_code=204,
            error=None,
            latency_ms=38,
            response="",
        ),
    ],
    next_attempt_at=None,
    payload={
        "id": "evt_0000000000000000000000010m",
        "type": "job.succeeded",
        "timestamp": "2026-11-22T10:18:21.402719+00:00",
        "data": {
            "id": jobs.SUCCEEDED.id,
            "status": "succeeded",
            "error": None,
            "object": "job",
            "dataset_id": jobs.SUCCEEDED.dataset_id,
            "metadata": {"release": "2026-11"},
            "created_at": "2026-11-22T10:15:10+00:00",
            "finished_at": "2026-11-22T10:18:21+00:00",
        },
    },
    created_at=datetime.fromisoformat("2026-11-22T10:18:21Z"),
    finished_at=datetime.fromisoformat("2026-11-22T10:18:27Z"),
)
WAITING = RECEIVED.model_copy(
    update={
        "type": webhooks.TEST,
        "status": "pending",
        "attempts": [],
        "next_attempt_at": datetime.fromisoformat("2026-11-22T10:18:21Z"),
        "finished_at": None,
        "payload": {
            "id": "evt_0000000000000000000000010m",
            "type": webhooks.TEST,
            "timestamp": "2026-11-22T10:18:21.402719+00:00",
            "data": {
                "id": EXAMPLE.id,
                "object": "webhook",
                "url": EXAMPLE.url,
                "disabled_reason": None,
            },
        },
    }
)
DELIVERIES = ListOf[Delivery](data=[RECEIVED], has_more=False)
