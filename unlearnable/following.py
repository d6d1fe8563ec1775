"""Looking again and again until something has ended, and judging how."""

import time
from collections.abc import Callable
from typing import TypeVar

from unlearnable.calls import sleep
from unlearnable.errors import JobCancelled, JobFailed, WaitTimeout
from unlearnable.flows import Flow
from unlearnable.models import Job, PairEvaluation, Study

T = TypeVar("T")

OUTAGE_RETRIES = 80  # of each look: some ten minutes, as while the API is restarted


def until(
    look: Callable[[], Flow[T]],
    is_over: Callable[[T], bool],
    *,
    what: str,
    timeout: float | None,
    pauses: tuple[float, float],
    on_look: Callable[[T], None] | None = None,
) -> Flow[T]:
    """Look until it is over.

    Args:
        what: the id of what is waited for.
        timeout: in seconds; None waits for as long as it takes.
        pauses: seconds between looks, the first and the longest.
        on_look: called with what is seen each time.

    Raises:
        WaitTimeout: it goes on.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    pause, longest = pauses
    while True:
        seen = yield from look()
        if on_look is not None:
            on_look(seen)
        if is_over(seen):
            return seen
        if deadline is not None and time.monotonic() >= deadline:
            raise WaitTimeout(f"{what} is not done after {timeout:g} s. It goes on.")
        yield from sleep(pause)
        pause = min(longest, 1.3 * pause)


def must_have_succeeded(ended: Job | PairEvaluation | Study) -> None:
    """Refuse another end.

    Raises:
        JobFailed, JobCancelled: it has not succeeded.
    """
    if ended.status == "cancelled":
        raise JobCancelled(ended)
    if ended.status != "succeeded":
        raise JobFailed(ended)
