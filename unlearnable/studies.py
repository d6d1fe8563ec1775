"""Studies: how protection depends on epsilon, or on the share of the images that is protected."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unlearnable.calls import ask, page_of
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.following import OUTAGE_RETRIES, must_have_succeeded, until
from unlearnable.models import Study
from unlearnable.requests import Request

PATH = "/v1/studies"
PAUSES = (1.0, 15.0)


class Studies(Resource[Mode]):
    """Many jobs in one call, and the curve that they make."""

    @operation
    def create(
        self,
        dataset_id: str,
        *,
        epsilons: Sequence[float | str],
        fractions: Sequence[float] | None = None,
        by: str | None = None,
        recipe: str | None = None,
        conditioning: str | None = None,
        seed: int | None = None,
        budget_seconds: int | None = None,
        training_steps: int | None = None,
        evaluation: Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Flow[Study]:
        """Start a study. What is None is left to the server; its `/docs` describe each field.

        Args:
            epsilons: for each a generator is trained.
            fractions: shares of the images to protect, with each of those generators.
            by: whether a share is of `random` images, or of whole classes (`class`).
            extra: fields that this version does not know.
        """
        wishes = {
            "dataset_id": dataset_id,
            "epsilons": list(epsilons),
            "fractions": fractions,
            "by": by,
            "recipe": recipe,
            "conditioning": conditioning,
            "seed": seed,
            "budget_seconds": budget_seconds,
            "training_steps": training_steps,
            "evaluation": evaluation,
            "metadata": metadata,
        }
        body = {name: value for name, value in wishes.items() if value is not None}
        request = Request("POST", PATH, body={**body, **(extra or {})})
        return (yield from ask(Study, request, self.transport.max_retries))

    @operation
    def get(self, study_id: str) -> Flow[Study]:
        """One study, with its table as far as it is measured."""
        return (yield from self._get(study_id, self.transport.max_retries))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Study]:
        """Your studies, newest first, without their tables."""

        def page(after: str | None) -> Flow[Page[Study]]:
            return page_of(Study, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def cancel(self, study_id: str) -> Flow[Study]:
        """Call a study off, and every job of it. What they have made so far stays."""
        request = Request("POST", f"{PATH}/{study_id}/cancel")
        return (yield from ask(Study, request, self.transport.max_retries))

    @operation
    def wait(
        self,
        study_id: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Study], None] | None = None,
    ) -> Flow[Study]:
        """Wait until a study has ended, at most `timeout` seconds.

        Raises:
            JobFailed, JobCancelled: it has not succeeded.
            WaitTimeout: it goes on.
        """
        study = yield from until(
            lambda: self._get(study_id, OUTAGE_RETRIES),
            lambda seen: seen.is_final,
            what=study_id,
            timeout=timeout,
            pauses=PAUSES,
            on_look=on_progress,
        )
        must_have_succeeded(study)
        return study

    def _get(self, study_id: str, retries: int) -> Flow[Study]:
        return ask(Study, Request("GET", f"{PATH}/{study_id}"), retries)
