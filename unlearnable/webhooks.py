"""Webhooks: receivers that are told what happens, and what was sent to them."""

from collections.abc import Sequence

from unlearnable.account_models import Delivery, Webhook, WebhookWithSecret
from unlearnable.calls import ask, call, page_of
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.requests import Request

PATH = "/v1/webhooks"


class Webhooks(Resource[Mode]):
    """Receivers of yours."""

    @operation
    def create(
        self, url: str, *, events: Sequence[str] | None = None, description: str | None = None
    ) -> Flow[WebhookWithSecret]:
        """Tell a receiver what happens. The secret that messages are signed with is shown once.

        Args:
            url: https, on a public address.
            events: such as `job.succeeded`; None is everything.
        """
        wishes = {"url": url, "events": events, "description": description}
        body = {name: value for name, value in wishes.items() if value is not None}
        request = Request("POST", PATH, body=body)
        return (yield from ask(WebhookWithSecret, request, self.transport.max_retries))

    @operation
    def get(self, webhook_id: str) -> Flow[Webhook]:
        """One webhook, without its secret."""
        request = Request("GET", f"{PATH}/{webhook_id}")
        return (yield from ask(Webhook, request, self.transport.max_retries))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Webhook]:
        """Your webhooks, newest first."""

        def page(after: str | None) -> Flow[Page[Webhook]]:
            return page_of(Webhook, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Flow[Webhook]:
        """Change a webhook; what is None stays as it is."""
        changes = {"url": url, "events": events, "description": description, "enabled": enabled}
        body = {name: value for name, value in changes.items() if value is not None}
        request = Request("PATCH", f"{PATH}/{webhook_id}", body=body)
        return (yield from ask(Webhook, request, self.transport.max_retries))

    @operation
    def delete(self, webhook_id: str) -> Flow[None]:
        """Tell a receiver nothing any more."""
        yield from call(Request("DELETE", f"{PATH}/{webhook_id}"), self.transport.max_retries)

    @operation
    def rotate(
        self, webhook_id: str, *, grace_seconds: int | None = None
    ) -> Flow[WebhookWithSecret]:
        """Take another secret; for `grace_seconds`, else a day, messages have both signatures."""
        body = {} if grace_seconds is None else {"grace_seconds": grace_seconds}
        request = Request("POST", f"{PATH}/{webhook_id}/rotate", body=body)
        return (yield from ask(WebhookWithSecret, request, self.transport.max_retries))

    @operation
    def test(self, webhook_id: str) -> Flow[Delivery]:
        """Send a message that says that it is a test."""
        request = Request("POST", f"{PATH}/{webhook_id}/test")
        return (yield from ask(Delivery, request, self.transport.max_retries))

    @listing
    def deliveries(self, webhook_id: str, *, page_size: int | None = None) -> Pages[Delivery]:
        """What was sent or shall be, newest first, with every attempt."""

        def page(after: str | None) -> Flow[Page[Delivery]]:
            path = f"{PATH}/{webhook_id}/deliveries"
            return page_of(Delivery, path, after, page_size, self.transport.max_retries)

        return page

    @operation
    def redeliver(self, webhook_id: str, delivery_id: str) -> Flow[Delivery]:
        """Send a message again."""
        request = Request("POST", f"{PATH}/{webhook_id}/deliveries/{delivery_id}/redeliver")
        return (yield from ask(Delivery, request, self.transport.max_retries))
