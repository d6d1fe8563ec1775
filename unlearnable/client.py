"""The two clients: one that blocks, one that is awaited."""

from types import TracebackType
from typing import Generic, Self

import httpx2

from unlearnable.address import find_address
from unlearnable.api_keys import ApiKeys
from unlearnable.artifacts import Artifacts
from unlearnable.datasets import Datasets
from unlearnable.erasures import Erasures
from unlearnable.evaluations import Evaluations
from unlearnable.flows import Async, Mode, Sync, Transport
from unlearnable.generators import Generators
from unlearnable.jobs import Jobs
from unlearnable.studies import Studies
from unlearnable.transports import AsyncTransport, SyncTransport
from unlearnable.uploads import Uploads
from unlearnable.webhooks import Webhooks

TIMEOUT_SECONDS = 60.0
MAX_RETRIES = 4


class _Nouns(Generic[Mode]):
    """The resources of a client."""

    def __init__(self, transport: Transport[Mode]) -> None:
        self.uploads = Uploads(transport)
        self.datasets = Datasets(transport)
        self.jobs = Jobs(transport)
        self.generators = Generators(transport)
        self.evaluations = Evaluations(transport)
        self.studies = Studies(transport)
        self.artifacts = Artifacts(transport)
        self.erasures = Erasures(transport)
        self.api_keys = ApiKeys(transport)
        self.webhooks = Webhooks(transport)


class Unlearnable(_Nouns[Sync]):
    """A client that blocks. Safe to share between threads; close it, or use it in a `with`.

    Args:
        api_key: else `UNLEARNABLE_API_KEY`.
        base_url: else `UNLEARNABLE_URL`. Without either, both are those of the stack that
            `unlearnable up` runs in this folder.
        timeout: seconds that one answer may take.
        max_retries: how often a request is sent again that got no answer, or one that says that it
            may succeed later.
        http_client: used for the API, and not closed.

    Raises:
        Misconfigured: key or address is missing.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MAX_RETRIES,
        http_client: httpx2.Client | None = None,
    ) -> None:
        self.base_url, key = find_address(base_url, api_key)
        self._transport = SyncTransport(self.base_url, key, timeout, max_retries, http_client)
        super().__init__(self._transport)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncUnlearnable(_Nouns[Async]):
    """A client for asyncio. Close it, or use it in an `async with`. See `Unlearnable`."""

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        max_retries: int = MAX_RETRIES,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self.base_url, key = find_address(base_url, api_key)
        self._transport = AsyncTransport(self.base_url, key, timeout, max_retries, http_client)
        super().__init__(self._transport)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
