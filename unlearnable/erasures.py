"""Erasures: everything of a dataset, gone, and a receipt that stays."""

from unlearnable.account_models import Erasure
from unlearnable.calls import ask, page_of
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.following import until
from unlearnable.requests import Request

PATH = "/v1/erasures"
PAUSES = (0.5, 5.0)


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
        return (
            yield from until(
                lambda: self._get(erasure_id),
                lambda seen: seen.status == "completed",
                what=erasure_id,
                timeout=timeout,
                pauses=PAUSES,
            )
        )

    def _get(self, erasure_id: str) -> Flow[Erasure]:
        request = Request("GET", f"{PATH}/{erasure_id}")
        return ask(Erasure, request, self.transport.max_retries)
