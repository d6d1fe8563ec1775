"""Asking the API: what is tried again, when, and as which error the last failure is told."""

import json
import random
import uuid
from dataclasses import replace
from typing import TypeVar

from unlearnable.decoding import decode
from unlearnable.errors import ApiError, ConnectionFailed, UnexpectedAnswer, error_of
from unlearnable.flows import Flow, Page, Send, Sleep
from unlearnable.requests import Answer, Request

T = TypeVar("T")

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
FIRST_SECONDS, MOST_SECONDS = 0.5, 8.0
# Whoever is told to come back later than this is better told so than kept waiting.
PATIENCE_SECONDS = 120.0
IDEMPOTENCY_KEY = "Idempotency-Key"


def backoff(attempt: int) -> float:
    """Seconds before the next try, after so many: doubling, and never two clients in step."""
    doubled = min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt, 10))
    return doubled * random.uniform(0.5, 1.0)  # noqa: S311


def call(request: Request, retries: int) -> Flow[Answer]:
    """The answer to a request, if it is none of an error.

    Every POST gets an `Idempotency-Key`, the same for each try: what was done by a try whose
    answer was lost is not done twice.

    Raises:
        ApiError: the API refused.
        ConnectionFailed: nobody answered.
    """
    if request.method == "POST":
        key = {IDEMPOTENCY_KEY: str(uuid.uuid4())}
        request = replace(request, headers={**request.headers, **key})
    attempt = 0
    while True:
        try:
            answer: Answer = yield Send(request)
        except ConnectionFailed:
            if attempt >= retries:
                raise
            pause = backoff(attempt)
        else:
            # A deletion that is asked for again finds nothing if the first one was done.
            is_gone = request.method == "DELETE" and answer.status == 404 and attempt > 0
            if not answer.is_error or is_gone:
                return answer
            refused = _refusal(answer)
            pause = refused.retry_after if refused.retry_after is not None else backoff(attempt)
            if attempt >= retries or not _may_pass(answer) or pause > PATIENCE_SECONDS:
                raise refused
        yield from sleep(pause)
        attempt += 1


def sleep(seconds: float) -> Flow[None]:
    """Wait."""
    yield Sleep(seconds)


def _may_pass(answer: Answer) -> bool:
    """Whether the same request may succeed later; the server knows best."""
    told = answer.headers.get("x-should-retry")
    return answer.status in RETRIED if told is None else told == "true"


def _refusal(answer: Answer) -> ApiError:
    try:
        problem = json.loads(answer.content)
    except ValueError:
        problem = None  # of something between us and the API
    try:
        retry_after = max(0.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        retry_after = None
    return error_of(answer.status, problem, retry_after)


def ask(kind: type[T], request: Request, retries: int) -> Flow[T]:
    """The object that a request is answered with."""
    answer = yield from call(request, retries)
    return decode(kind, answer.json())


def page_of(
    model: type[T],
    path: str,
    after: str | None,
    limit: int | None,
    retries: int,
    **params: str | None,
) -> Flow[Page[T]]:
    """The page of a list after the item `after`, and where the next one begins."""
    asked = {**params, "after": after, "limit": limit}
    answer = yield from call(Request("GET", path, asked), retries)
    content = answer.json()
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise UnexpectedAnswer(f"The answer to GET {path} is no list.")
    data = content["data"]
    follows = bool(content.get("has_more")) and bool(data)
    return Page([decode(model, one) for one in data], str(data[-1]["id"]) if follows else None)
