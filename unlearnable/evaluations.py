"""Evaluations: what is learned from any protected dataset, wherever it was protected."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unlearnable.calls import ask, page_of
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.following import OUTAGE_RETRIES, must_have_succeeded, until
from unlearnable.jobs import LabelMap
from unlearnable.models import PairEvaluation
from unlearnable.requests import Request

PATH = "/v1/evaluations"
PAUSES = (0.5, 5.0)


class Evaluations(Resource[Mode]):
    """Evaluations of pairs of datasets. That of a job is `jobs.evaluation`."""

    @operation
    def create(
        self,
        clean_dataset_id: str,
        *,
        protected_dataset_id: str | None = None,
        job_id: str | None = None,
        label_map: LabelMap | None = None,
        untargeted: str | None = None,
        victims: Sequence[str | Mapping[str, Any]] | None = None,
        seeds: Sequence[int] | None = None,
        countermeasures: Sequence[str] | None = None,
        controls: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        deadline: int | str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Flow[PairEvaluation]:
        """Start an evaluation of a protected dataset, or of what a job has protected.

        Args:
            clean_dataset_id: the original. Its test images measure.
            protected_dataset_id: the same images in the same order; or give `job_id`.
            label_map: what each class was to be mistaken for; that of a job is known.
            victims: classifiers, by name or with their training.
            countermeasures: what a learner would try, such as `jpeg-10`.
            deadline: by when it must have ended: seconds from now, or a moment in ISO 8601.
            extra: fields that this version does not know.
        """
        wishes = {
            "clean_dataset_id": clean_dataset_id,
            "protected_dataset_id": protected_dataset_id,
            "job_id": job_id,
            "label_map": label_map,
            "untargeted": untargeted,
            "victims": victims,
            "seeds": seeds,
            "countermeasures": countermeasures,
            "controls": controls,
            "metadata": metadata,
            "deadline": deadline,
        }
        body = {name: value for name, value in wishes.items() if value is not None}
        request = Request("POST", PATH, body={**body, **(extra or {})})
        return (yield from ask(PairEvaluation, request, self.transport.max_retries))

    @operation
    def get(self, evaluation_id: str) -> Flow[PairEvaluation]:
        """One evaluation, with its result once there is one."""
        return (yield from self._get(evaluation_id, self.transport.max_retries))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[PairEvaluation]:
        """Your evaluations, newest first, without results."""

        def page(after: str | None) -> Flow[Page[PairEvaluation]]:
            return page_of(PairEvaluation, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def cancel(self, evaluation_id: str) -> Flow[PairEvaluation]:
        """Call an evaluation off. Doing so twice is no error."""
        request = Request("POST", f"{PATH}/{evaluation_id}/cancel")
        return (yield from ask(PairEvaluation, request, self.transport.max_retries))

    @operation
    def wait(
        self,
        evaluation_id: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[PairEvaluation], None] | None = None,
        check: bool = True,
    ) -> Flow[PairEvaluation]:
        """Wait until an evaluation has ended, at most `timeout` seconds.

        Args:
            on_progress: called with the evaluation each time it was looked at.
            check: False returns one that failed or was cancelled instead of raising.

        Raises:
            JobFailed, JobCancelled: it has not succeeded.
            WaitTimeout: it goes on.
        """
        evaluation = yield from until(
            lambda: self._get(evaluation_id, OUTAGE_RETRIES),
            lambda seen: seen.is_final,
            what=evaluation_id,
            timeout=timeout,
            pauses=PAUSES,
            on_look=on_progress,
        )
        if check:
            must_have_succeeded(evaluation)
        return evaluation

    def _get(self, evaluation_id: str, retries: int) -> Flow[PairEvaluation]:
        return ask(PairEvaluation, Request("GET", f"{PATH}/{evaluation_id}"), retries)
