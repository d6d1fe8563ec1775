"""The outbox of webhooks: who shall be told of an event is written down with the event.

The rows appear in the transaction of the state change, or not at all; `worker.webhooks` sends
them. What they say is fixed at that moment: a message that is sent again has the same bytes.
Whoever needs a webhook's row and rows of its deliveries locks the webhook first.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import audit
from core.ids import new_id, numbered_id
from core.tables import Dataset, Event, Job, Webhook, WebhookDelivery

PENDING, SUCCEEDED, FAILED, CANCELLED = "pending", "succeeded", "failed", "cancelled"
EVENT_PREFIX, DELIVERY_PREFIX = "evt", "dlv"
EVERYTHING = "*"
TEST = "webhook.test"
DISABLED = "webhook.disabled"
GONE, FAILING, OWNER = "gone", "failing", "owner"  # why a webhook is disabled

# What owners can be told of, and what each means.
EVENTS: Mapping[str, str] = {
    "job.running": "A worker has begun with a job.",
    "job.paused": "A job rests until it is resumed.",
    "job.succeeded": "A job's results can be downloaded.",
    "job.failed": "A job has failed; `error` says why.",
    "job.cancelled": "A job was cancelled.",
    "job.results_expired": "A job's results were kept as long as agreed, and are gone.",
    "evaluation.running": "A worker has begun with an evaluation.",
    "evaluation.succeeded": "An evaluation's result can be read.",
    "evaluation.failed": "An evaluation has failed; `error` says why.",
    "evaluation.cancelled": "An evaluation was cancelled.",
    "study.running": "The first job of a study has begun.",
    "study.succeeded": "A study's curves can be downloaded.",
    "study.failed": "No point of a study has a result.",
    "study.cancelled": "A study was cancelled.",
    "dataset.ready": "A dataset was validated and can be used.",
    "dataset.rejected": "A dataset cannot be used; its `validation_report` says why.",
    "dataset.deleted": "A dataset was deleted, by you or because it was kept as long as agreed.",
    "dataset.erased": "Nothing is left of a dataset; its receipt is complete.",
    DISABLED: "Another webhook was disabled: its receiver is gone, or keeps failing.",
}


def post(session: Session, event: Event, subject: Job | Dataset | Webhook) -> None:
    """Write down who shall be told of an event.

    Args:
        event: already in the session.
        subject: what it happened to, as it is now.
    """
    type_ = _public_type(event.type, subject)
    if type_ not in EVENTS:
        return
    # Shared with all but a deletion: a webhook that is deleted meanwhile must not make the job's
    # change of state fail on its foreign key.
    listening = session.execute(
        select(Webhook.id, Webhook.events)
        .where(Webhook.tenant_id == event.tenant_id, Webhook.disabled_at.is_(None))
        .with_for_update(read=True, key_share=True)
    ).all()
    wanted = [id_ for id_, events in listening if type_ in events or EVERYTHING in events]
    if wanted:
        session.flush()  # gives the event its number, and the subject its times
        body = _body(event, type_, _public_form(subject))
        session.add_all(_delivery(event, type_, webhook_id, body) for webhook_id in wanted)


def post_test(session: Session, webhook: Webhook) -> WebhookDelivery:
    """Write down a message that is for one webhook only, whatever it listens to."""
    event = Event(tenant_id=webhook.tenant_id, subject_id=webhook.id, type=TEST, data={})
    session.add(event)
    session.flush()
    delivery = _delivery(event, TEST, webhook.id, _body(event, TEST, _public_form(webhook)))
    session.add(delivery)
    session.flush()
    return delivery


def disable(session: Session, webhook: Webhook, reason: str) -> None:
    """End the messages of a webhook (its row locked), and tell the owner's others.

    Args:
        reason: `gone`, `failing`, or `owner`, who needs no telling.
    """
    webhook.disabled_at = func.now()
    webhook.disabled_reason = reason
    session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook.id, WebhookDelivery.status == PENDING)
        .values(status=CANCELLED, finished_at=func.now(), next_attempt_at=None)
    )
    if reason != OWNER:
        audit.note(session, webhook.tenant_id, DISABLED, webhook.id, reason=reason)
        event = Event(
            tenant_id=webhook.tenant_id,
            subject_id=webhook.id,
            type=DISABLED,
            data={"reason": reason},
        )
        session.add(event)
        session.flush()
        post(session, event, webhook)


def _public_type(type_: str, subject: Job | Dataset | Webhook) -> str:
    if isinstance(subject, Job) and subject.kind == "images":
        return ""  # whoever sent them waits, and nothing stays
    return type_.replace("job.", f"{_noun(subject)}.", 1) if isinstance(subject, Job) else type_


def _noun(job: Job) -> str:
    return job.kind if job.kind in {"evaluation", "study"} else "job"


def _delivery(event: Event, type_: str, webhook_id: str, body: str) -> WebhookDelivery:
    return WebhookDelivery(
        id=new_id(DELIVERY_PREFIX),
        tenant_id=event.tenant_id,
        webhook_id=webhook_id,
        event_id=numbered_id(EVENT_PREFIX, event.id),
        subject_id=event.subject_id,
        type=type_,
        body=body,
        status=PENDING,
        next_attempt_at=func.now(),
    )


def _body(event: Event, type_: str, data: dict[str, Any]) -> str:
    message = {
        "id": numbered_id(EVENT_PREFIX, event.id),
        "type": type_,
        "timestamp": datetime.now(UTC).isoformat(),
        "data": data,
    }
    return json.dumps(message, separators=(",", ":"))


def _public_form(subject: Job | Dataset | Webhook) -> dict[str, Any]:
    """The few fields of what the API shows that tell what to do next; names of files are not."""
    if isinstance(subject, Webhook):
        return {
            "id": subject.id,
            "object": "webhook",
            "url": subject.url,
            "disabled_reason": subject.disabled_reason,
        }
    error = subject.error and {name: subject.error[name] for name in ("code", "message")}
    head = {"id": subject.id, "status": subject.status, "error": error}
    if isinstance(subject, Dataset):
        return {
            **head,
            "object": "dataset",
            "created_at": subject.created_at.isoformat(),
            "ready_at": subject.ready_at and subject.ready_at.isoformat(),
        }
    return {
        **head,
        "object": _noun(subject),
        "dataset_id": subject.dataset_id,
        "metadata": subject.options.get("metadata", {}),
        "created_at": subject.created_at.isoformat(),
        "finished_at": subject.finished_at and subject.finished_at.isoformat(),
    }
