"""/v1/webhooks"""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response
from fastapi.openapi.models import Example

from core.webhooks import DELIVERY_PREFIX
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, JSON_PROBLEMS, failures, success
from service.kit.idempotency import SecretRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid
from service.kit.state import SettingsDep
from service.webhooks import problems, schemas, service
from service.webhooks.repository import PREFIX
from service.webhooks.schemas import (
    Delivery,
    DeliveryStatus,
    Rotation,
    Webhook,
    WebhookChanges,
    WebhookRequest,
    WebhookWithSecret,
)

PATH = "/v1/webhooks"

router = APIRouter(prefix=PATH, tags=["webhooks"], route_class=SecretRoute)

_URL_PROBLEMS = (
    problems.url_invalid("the host is no name"),
    problems.url_not_https(),
    problems.url_not_public(),
)
_REQUEST_EXAMPLES = {
    name: Example(summary=name, value=request.model_dump(exclude_unset=True))
    for name, request in schemas.REQUESTS.items()
}


@router.post(
    "",
    status_code=201,
    response_model=WebhookWithSecret,
    summary="Add a webhook",
    responses={
        **success(
            201,
            "The webhook, with its secret.",
            schemas.CREATED,
            {"Location": "The webhook's address."},
        ),
        **failures(*JSON_PROBLEMS, *_URL_PROBLEMS, problems.too_many_webhooks()),
    },
)
def create_webhook(
    asked: Annotated[WebhookRequest, Body(openapi_examples=_REQUEST_EXAMPLES)],
    response: Response,
    caller: CallerDep,
    settings: SettingsDep,
) -> WebhookWithSecret:
    """Have your server told of what happens, by POST, signed after Standard Webhooks.

    Answer 2xx within 15 seconds; do the work afterwards. Whatever else is answered is sent again,
    ten times in three days. The same message may come twice, and messages may come in another
    order: `webhook-id` says which you have had, and the object's own address what it is now.
    """
    row, secret = service.create(caller.tenant_id, asked, settings)
    response.headers["Location"] = f"{PATH}/{row.id}"
    return _with_secret(Webhook.of(row), secret)


def _with_secret(webhook: Webhook, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**webhook.model_dump(), secret=secret)


@router.get(
    "",
    response_model=ListOf[Webhook],
    summary="List webhooks",
    responses={
        **success(200, "Your webhooks, newest first.", schemas.PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_webhooks(caller: CallerDep, page: PageDep) -> ListOf[Webhook]:
    """Your webhooks, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Webhook.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{webhook_id}",
    response_model=Webhook,
    summary="Look at a webhook",
    responses={
        **success(200, "The webhook, without its secret.", schemas.EXAMPLE),
        **failures(problems.webhook_not_found()),
    },
)
def get_webhook(webhook_id: str, caller: CallerDep) -> Webhook:
    """Where it leads, what it is told of, and whether its receiver answers."""
    return Webhook.of(service.get(caller.tenant_id, webhook_id))


@router.patch(
    "/{webhook_id}",
    response_model=Webhook,
    summary="Change a webhook",
    responses={
        **success(200, "The webhook as it is now.", schemas.EXAMPLE),
        **failures(*JSON_PROBLEMS, *_URL_PROBLEMS, problems.webhook_not_found()),
    },
)
def change_webhook(
    webhook_id: str,
    asked: Annotated[
        WebhookChanges,
        Body(
            openapi_examples={
                "changes": Example(
                    summary="changes", value=schemas.CHANGES.model_dump(exclude_unset=True)
                )
            }
        ),
    ],
    caller: CallerDep,
    settings: SettingsDep,
) -> Webhook:
    """Send it elsewhere, tell it of other things, or switch it off and on again."""
    return Webhook.of(service.change(caller.tenant_id, webhook_id, asked, settings))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a webhook",
    responses={
        **success(204, "The webhook and its log are gone.", None),
        **failures(problems.webhook_not_found()),
    },
)
def delete_webhook(webhook_id: str, caller: CallerDep) -> None:
    """Delete a webhook, what waits to be sent to it, and the log of its deliveries."""
    service.delete(caller.tenant_id, webhook_id)


@router.post(
    "/{webhook_id}/rotate",
    response_model=WebhookWithSecret,
    summary="Change a webhook's secret",
    responses={
        **success(200, "The webhook, with its new secret.", schemas.ROTATED),
        **failures(*JSON_PROBLEMS, problems.webhook_not_found()),
    },
)
def rotate_webhook_secret(
    webhook_id: str,
    asked: Annotated[
        Rotation,
        Body(
            openapi_examples={
                "a day": Example(summary="a day", value={"grace_seconds": schemas.DAY}),
                "at once": Example(summary="at once", value={"grace_seconds": 0}),
            }
        ),
    ],
    caller: CallerDep,
) -> WebhookWithSecret:
    """Make a new secret. Until `old_secret_until` each message has two signatures, one of either
    secret, so that no message is refused while you exchange it. Of an older secret none is left.
    """
    row, secret = service.rotate(caller.tenant_id, webhook_id, asked)
    return _with_secret(Webhook.of(row), secret)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    response_model=Delivery,
    summary="Send a test message",
    responses={
        **success(202, "It is sent as soon as may be.", schemas.WAITING),
        **failures(problems.webhook_not_found(), problems.webhook_disabled()),
    },
)
def test_webhook(webhook_id: str, response: Response, caller: CallerDep) -> Delivery:
    """Send a message of type `webhook.test`, whatever the webhook listens to.

    The answer does not wait for your receiver's: ask the address in Location how it went.
    """
    row = service.test(caller.tenant_id, webhook_id)
    response.headers["Location"] = f"{PATH}/{webhook_id}/deliveries/{row.id}"
    response.headers["Retry-After"] = "1"
    return Delivery.of(row)


@router.get(
    "/{webhook_id}/deliveries",
    response_model=ListOf[Delivery],
    summary="List what was sent",
    responses={
        **success(200, "The messages, newest first.", schemas.DELIVERIES),
        **failures(problems.webhook_not_found(), FIELD_INVALID, cursor_invalid(DELIVERY_PREFIX)),
    },
)
def list_webhook_deliveries(
    webhook_id: str,
    caller: CallerDep,
    page: PageDep,
    status: Annotated[
        DeliveryStatus | None, Query(description="Only those that are in this state.")
    ] = None,
) -> ListOf[Delivery]:
    """Each message for a webhook, with every attempt and when the next one is.

    What has ended is kept for 30 days, unless whoever runs this server has set something else.
    """
    rows, has_more = service.deliveries(caller.tenant_id, webhook_id, page, status)
    return ListOf(data=[Delivery.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    response_model=Delivery,
    summary="Look at a message",
    responses={
        **success(200, "The message and its attempts.", schemas.RECEIVED),
        **failures(problems.webhook_not_found(), problems.delivery_not_found()),
    },
)
def get_webhook_delivery(webhook_id: str, delivery_id: str, caller: CallerDep) -> Delivery:
    """What was sent, what was answered and how fast."""
    return Delivery.of(service.delivery(caller.tenant_id, webhook_id, delivery_id))


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    response_model=Delivery,
    summary="Send a message again",
    responses={
        **success(202, "It is sent as soon as may be.", schemas.WAITING),
        **failures(
            problems.webhook_not_found(),
            problems.delivery_not_found(),
            problems.webhook_disabled(),
        ),
    },
)
def redeliver_webhook(webhook_id: str, delivery_id: str, caller: CallerDep) -> Delivery:
    """Send a message once more, with the same bytes and the same `webhook-id`, also one that was
    received. If that fails, it is tried again as at first.
    """
    return Delivery.of(service.redeliver(caller.tenant_id, webhook_id, delivery_id))
