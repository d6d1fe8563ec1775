"""API keys: made, rotated, revoked."""

from collections.abc import Sequence

from unlearnable.account_models import ApiKey, ApiKeyWithSecret
from unlearnable.calls import ask, call, page_of
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.requests import Request

PATH = "/v1/api_keys"


class ApiKeys(Resource[Mode]):
    """Keys of your tenant."""

    @operation
    def create(
        self, name: str, *, scopes: Sequence[str] | None = None, expires_in: int | None = None
    ) -> Flow[ApiKeyWithSecret]:
        """Make a key. Its secret is shown this once.

        Args:
            scopes: what it may do, such as `jobs:read`; None is what the key that asks may do.
            expires_in: seconds until it stops working; None is as late as the key that asks.
        """
        wishes = {"name": name, "scopes": scopes, "expires_in": expires_in}
        body = {member: value for member, value in wishes.items() if value is not None}
        request = Request("POST", PATH, body=body)
        return (yield from ask(ApiKeyWithSecret, request, self.transport.max_retries))

    @operation
    def get(self, api_key_id: str) -> Flow[ApiKey]:
        """One key, without its secret."""
        request = Request("GET", f"{PATH}/{api_key_id}")
        return (yield from ask(ApiKey, request, self.transport.max_retries))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[ApiKey]:
        """Your keys, newest first, without their secrets."""

        def page(after: str | None) -> Flow[Page[ApiKey]]:
            return page_of(ApiKey, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def rotate(self, api_key_id: str, *, grace_seconds: int = 0) -> Flow[ApiKeyWithSecret]:
        """Give a key another secret; the old one works for `grace_seconds` beside it."""
        body = {"grace_seconds": grace_seconds}
        request = Request("POST", f"{PATH}/{api_key_id}/rotate", body=body)
        return (yield from ask(ApiKeyWithSecret, request, self.transport.max_retries))

    @operation
    def revoke(self, api_key_id: str) -> Flow[None]:
        """Let a key open nothing any more."""
        yield from call(Request("DELETE", f"{PATH}/{api_key_id}"), self.transport.max_retries)
