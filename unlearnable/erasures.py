"""Erasures: everything of a dataset, gone, and a receipt that stays."""

import time

from unlearnable.account_models import Erasure
from unlearnable.calls import ask, page_of, sleep
from unlearnable.errors import WaitTimeout
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.requests import Request

PATH = "/v1/erasures"
POLL_SECONDS = 2.0


class Erasures(Resource[Mode]):
    """Receipts of erasures, which `datasets.erase` begins."""

    @operation
    def get(self, erasure_id: str) -> Flow[Erasure]:
        """One receipt."""
        return (yield from self._get(erasure_id))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Erasure]:
        """Your receipts, newest first."""

        def page(after: str | None) -> Flow[Page[Erasure]]:
            return page_of(Erasure, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def wait(self, erasure_id: str, *, timeout: float | None = None) -> Flow[Erasure]:
        """Wait until nothing is left, at most `timeout` seconds.

        Raises:
            WaitTimeout: it goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            erasure = yield from self._get(erasure_id)
            if erasure.status == "completed":
                return erasure
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeout(f"{erasure_id} is not completed. It goes on.")
            yield from sleep(POLL_SECONDS)

    def _get(self, erasure_id: str) -> Flow[Erasure]:
        request = Request("GET", f"{PATH}/{erasure_id}")
        return ask(Erasure, request, self.transport.max_retries)
