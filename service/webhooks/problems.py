"""What can be wrong with a webhook or with what is asked of it."""

from core.problem import Refused
from service.kit.problems import Conflict

LIMIT = 20  # webhooks of one tenant: each event is written once for each of them


def webhook_not_found() -> Refused:
    return Refused(
        "webhook_not_found", "There is no such webhook. GET /v1/webhooks lists yours.", status=404
    )


def delivery_not_found() -> Refused:
    return Refused(
        "delivery_not_found",
        "There is no such delivery of this webhook, or it was kept as long as agreed. GET "
        "/v1/webhooks/{webhook_id}/deliveries lists them.",
        status=404,
    )


def url_invalid(reason: str) -> Refused:
    """The URL cannot be read."""
    return Refused("webhook_url_invalid", f"url: {reason}.", "url")


def url_not_public() -> Refused:
    """The URL leads to an address to which nothing is sent."""
    return Refused(
        "webhook_url_not_public",
        "url must lead to a public address. Whoever runs this server can allow others: see "
        "UNLEARNABLE_WEBHOOK_PRIVATE_NETWORKS.",
        "url",
    )


def url_not_https() -> Refused:
    """The message would cross the internet in clear."""
    return Refused("webhook_url_not_https", "url must begin with https://.", "url")


def too_many_webhooks() -> Conflict:
    return Conflict(
        "webhooks_too_many",
        f"You have {LIMIT} webhooks already. Delete one, or have one of them listen to more.",
    )


def webhook_disabled() -> Conflict:
    return Conflict(
        "webhook_disabled",
        "The webhook is disabled. PATCH it with enabled true, then ask again.",
    )
