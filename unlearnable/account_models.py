"""Answers about an account: its keys, its webhooks, and receipts of what it has erased."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from unlearnable.models import Model


@dataclass(frozen=True, kw_only=True)
class Erasure(Model):
    """The receipt of an erasure; counts are None until everything was counted.

    Attributes:
        files: those whose SHA-256 was known, as the API tells them.
    """

    id: str
    dataset_id: str
    status: Literal["pending", "completed"]
    job_ids: list[str] | None = None
    objects: int | None = None
    size_bytes: int | None = None
    files: list[dict[str, Any]] | None = None
    created_at: datetime
    completed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey(Model):
    """A key. Its secret is not kept: only `hint`, its beginning and end, can be shown."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    previous_secret_expires_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKeyWithSecret(ApiKey):
    """A key with its secret, which is shown once: None if that answer was lost. Rotate it then."""

    secret: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Webhook(Model):
    """A receiver that is told what happens; `*` of `events` is everything.

    Attributes:
        disabled_reason: `gone` after an answer of 410, `failing` for days, or `owner`.
    """

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebhookWithSecret(Webhook):
    """A webhook with the secret that its messages are signed with (Standard Webhooks).

    It is shown once: None if that answer was lost. Rotate it then.
    """

    secret: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Delivery(Model):
    """A message for a webhook; `attempts` are as the API tells them, oldest first."""

    id: str
    webhook_id: str
    event_id: str
    type: str
    status: str
    attempts: list[dict[str, Any]]
    next_attempt_at: datetime | None = None
    payload: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None = None
