"""Jobs: protecting a dataset, from the order to the proof."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from unlearnable.calls import ask, backoff, call, page_of, sleep
from unlearnable.decoding import decode
from unlearnable.errors import (
    ConnectionFailed,
    RateLimited,
    ServerError,
    WaitTimeout,
)
from unlearnable.flows import Flow, Mode, Page, Pages, Resource, listing, operation
from unlearnable.following import must_have_succeeded
from unlearnable.models import Estimate, Evaluation, Event, Job
from unlearnable.requests import Request

PATH = "/v1/jobs"
LONG_POLL_SECONDS = 30.0
GRACE_SECONDS = 20.0  # a long poll's answer may take so much longer than asked for
OUTAGE_SECONDS = 600.0
NOT_MODIFIED = 304

# What each class shall be mistaken for: `shift`, by name or index, or in label order.
LabelMap = str | Mapping[str, str | int] | Sequence[str | int]


class JobWishes(TypedDict, total=False):
    """What may be asked of a job; whatever is left out or None is decided by the server.

    The API's `/docs` describe each field with its values.

    Attributes:
        label_map: what each class shall be mistaken for: `shift`, or names or indices.
        untargeted: what becomes of classes that the map leaves out: `confuse` or `leave`.
        budget_seconds: how long the generator may train; or give `training_steps`, for the same
            bytes each time.
        priority: from -10 to 10, among your own jobs.
        deadline: by when it must have ended: seconds from now, or a moment in ISO 8601.
        protected_fraction: such as `{"fraction": 0.8}` or `{"classes": ["cat"]}`.
        evaluation: what is tried, such as `{"countermeasures": ["jpeg-10"]}`.
        extra: fields that this version does not know.
    """

    label_map: LabelMap | None
    untargeted: str | None
    seed: int | None
    budget_seconds: int | None
    training_steps: int | None
    priority: int | None
    deadline: int | str | None
    recipe: str | None
    conditioning: str | None
    generator: str | None
    victims: Sequence[str] | None
    protected_fraction: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    metadata: Mapping[str, str] | None
    extra: Mapping[str, Any] | None


class Jobs(Resource[Mode]):
    """Protections of datasets."""

    @operation
    def create(
        self, dataset_id: str, *, epsilon: float | str, **wishes: Unpack[JobWishes]
    ) -> Flow[Job]:
        """Start a job.

        Args:
            dataset_id: a dataset that is ready.
            epsilon: the most a pixel may change: a number such as 0.03, or a fraction "8/255".
            wishes: see `JobWishes`.

        Raises:
            ApiError, ConnectionFailed: see there.
        """
        request = Request("POST", PATH, body=_body(dataset_id, epsilon, wishes))
        return (yield from ask(Job, request, self.transport.max_retries))

    @operation
    def estimate(
        self, dataset_id: str, *, epsilon: float | str, **wishes: Unpack[JobWishes]
    ) -> Flow[Estimate]:
        """How long a job would take. Takes what `create` takes, and starts nothing."""
        request = Request("POST", f"{PATH}/estimate", body=_body(dataset_id, epsilon, wishes))
        return (yield from ask(Estimate, request, self.transport.max_retries))

    @operation
    def get(self, job_id: str) -> Flow[Job]:
        """One job as it is now."""
        return (yield from self._ask("GET", job_id))

    @listing
    def list(self, *, page_size: int | None = None) -> Pages[Job]:
        """Your jobs, newest first."""

        def page(after: str | None) -> Flow[Page[Job]]:
            return page_of(Job, PATH, after, page_size, self.transport.max_retries)

        return page

    @operation
    def wait(
        self,
        job_id: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
        check: bool = True,
        outage: float = OUTAGE_SECONDS,
    ) -> Flow[Job]:
        """Wait until a job has ended. It costs next to nothing: the server answers on a change.

        Args:
            timeout: in seconds; None waits for as long as it takes. A paused job is waited for.
            on_progress: called with the job at first and whenever it has changed.
            check: False returns a job that failed or was cancelled instead of raising.
            outage: for how many seconds the API may be away, as while it is restarted.

        Raises:
            JobFailed, JobCancelled: it has not succeeded.
            WaitTimeout: it goes on.
            ConnectionFailed, ServerError: the API was away for longer than `outage`.
            ApiError: such as `NotFound`.
        """
        job = yield from self._wait(job_id, timeout, on_progress or _ignore, outage)
        if check:
            must_have_succeeded(job)
        return job

    @operation
    def cancel(self, job_id: str) -> Flow[Job]:
        """Call a job off. Doing so twice is no error."""
        return (yield from self._ask("POST", f"{job_id}/cancel"))

    @operation
    def pause(self, job_id: str) -> Flow[Job]:
        """Let a job rest. It keeps what it has done."""
        return (yield from self._ask("POST", f"{job_id}/pause"))

    @operation
    def resume(self, job_id: str) -> Flow[Job]:
        """Let a paused job go on."""
        return (yield from self._ask("POST", f"{job_id}/resume"))

    @operation
    def evaluation(self, job_id: str) -> Flow[Evaluation]:
        """What is learned from the protected dataset, once the job has succeeded."""
        request = Request("GET", f"{PATH}/{job_id}/evaluation")
        return (yield from ask(Evaluation, request, self.transport.max_retries))

    @operation
    def metrics(self, job_id: str) -> Flow[Mapping[str, Any]]:
        """Loss and accuracies over time, as the API sends them."""
        request = Request("GET", f"{PATH}/{job_id}/metrics")
        answer = yield from call(request, self.transport.max_retries)
        metrics: Mapping[str, Any] = answer.json()
        return metrics

    @listing
    def events(self, job_id: str, *, after: str | None = None) -> Pages[Event]:
        """What has happened to a job, oldest first, from after the event `after` on."""

        def page(cursor: str | None) -> Flow[Page[Event]]:
            path = f"{PATH}/{job_id}/events"
            return page_of(Event, path, cursor or after, 100, self.transport.max_retries)

        return page

    def _ask(self, method: str, path: str) -> Flow[Job]:
        return ask(Job, Request(method, f"{PATH}/{path}"), self.transport.max_retries)

    def _wait(
        self,
        job_id: str,
        timeout: float | None,
        on_progress: Callable[[Job], None],
        outage: float,
    ) -> Flow[Job]:
        deadline = None if timeout is None else time.monotonic() + timeout
        job, etag, failures, lost_at = None, None, 0, 0.0
        while True:
            left = LONG_POLL_SECONDS if deadline is None else deadline - time.monotonic()
            # The first look comes at once.
            seconds = min(LONG_POLL_SECONDS, max(0.0, left)) if job else 0.0
            request = Request(
                "GET",
                f"{PATH}/{job_id}",
                {"wait": round(seconds, 2)},
                headers={} if etag is None else {"If-None-Match": etag},
                seconds=seconds + GRACE_SECONDS,
            )
            try:
                answer = yield from call(request, 0)
            except (ConnectionFailed, RateLimited, ServerError) as error:
                now = time.monotonic()
                lost_at = lost_at if failures else now
                if now - lost_at > outage or (deadline is not None and now > deadline):
                    raise
                told = error.retry_after if isinstance(error, RateLimited) else None
                yield from sleep(backoff(failures) if told is None else told)
                failures += 1
                continue
            failures = 0
            if answer.status != NOT_MODIFIED:
                job, etag = decode(Job, answer.json()), answer.headers.get("etag")
                on_progress(job)
                if job.is_final:
                    return job
            if deadline is not None and time.monotonic() >= deadline:
                raise WaitTimeout(f"{job_id} has not ended in {timeout:g} s. It goes on.")


def _ignore(_job: Job) -> None:
    """Progress that nobody asked for."""


def _body(dataset_id: str, epsilon: float | str, wishes: JobWishes) -> dict[str, Any]:
    """A job as it is asked for."""
    named = {name: value for name, value in wishes.items() if name != "extra" and value is not None}
    return {"dataset_id": dataset_id, "epsilon": epsilon, **named, **(wishes.get("extra") or {})}
