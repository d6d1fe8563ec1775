"""What is tried again: the flow of a call, driven by hand."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from unlearnable import ApiError, ConnectionFailed, RateLimited, ServerError, UnexpectedAnswer
from unlearnable.calls import IDEMPOTENCY_KEY, ask, call
from unlearnable.errors import error_of
from unlearnable.flows import Flow, Send, Sleep
from unlearnable.models import Failure, Job
from unlearnable.requests import Answer, Request

LOST = ConnectionFailed("lost")


def answer(status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(body).encode())


def drive(
    flow: Flow[Any], *network: Answer | Exception
) -> tuple[list[Request], list[float], Any, Exception | None]:
    """What was sent, how long was slept, the result and the error, if this is what comes back."""
    sent: list[Request] = []
    slept: list[float] = []
    coming = iter(network)
    try:
        command = next(flow)
        while True:
            if isinstance(command, Sleep):
                slept.append(command.seconds)
                command = flow.send(None)
                continue
            assert isinstance(command, Send)
            sent.append(command.request)
            came = next(coming)
            command = flow.throw(came) if isinstance(came, Exception) else flow.send(came)
    except StopIteration as end:
        return sent, slept, end.value, None
    except (ApiError, ConnectionFailed) as error:
        return sent, slept, None, error


def test_a_post_keeps_its_idempotency_key() -> None:
    post = Request("POST", "/v1/jobs", body={})
    ok = answer(202, {})
    sent, slept, result, _ = drive(call(post, 4), LOST, answer(503), answer(500), ok)
    assert result == ok
    assert len({request.headers[IDEMPOTENCY_KEY] for request in sent}) == 1
    assert 0 < slept[0] <= 0.5 < slept[2] <= 2
    other, *_ = drive(call(post, 4), ok)
    assert other[0].headers[IDEMPOTENCY_KEY] != sent[0].headers[IDEMPOTENCY_KEY]
    assert IDEMPOTENCY_KEY not in drive(call(Request("GET", "/v1/jobs"), 4), ok)[0][0].headers


def test_the_server_says_when_to_come_back() -> None:
    limited = answer(429, {}, {"retry-after": "7"})
    assert drive(call(Request("GET", "/"), 4), limited, answer(200))[1] == [7.0]
    busy = answer(409, {}, {"x-should-retry": "true", "retry-after": "1"})
    assert drive(call(Request("GET", "/"), 4), busy, answer(200))[1] == [1.0]
    much_later = answer(429, {}, {"retry-after": "3600"})
    sent, slept, _, error = drive(call(Request("GET", "/"), 4), much_later)
    assert (len(sent), slept) == (1, [])
    assert isinstance(error, RateLimited)
    assert error.retry_after == 3600


@pytest.mark.parametrize(
    "last", [answer(400), answer(404), answer(409), answer(503, {}, {"x-should-retry": "false"})]
)
def test_what_will_not_pass_is_told_at_once(last: Answer) -> None:
    sent, slept, _, error = drive(call(Request("POST", "/"), 4), last)
    assert (len(sent), slept) == (1, [])
    assert isinstance(error, ApiError)
    assert error.status == last.status


def test_the_last_failure_counts() -> None:
    failures = (LOST, answer(503), LOST, answer(502, "<html>a proxy</html>"))
    *_, error = drive(call(Request("GET", "/"), 3), *failures)
    assert isinstance(error, ServerError)
    assert (error.status, error.code) == (502, "http_502")
    assert drive(call(Request("GET", "/"), 1), LOST, LOST)[3] is LOST


def test_a_deletion_whose_answer_was_lost_is_done() -> None:
    gone = answer(404, {})
    delete = Request("DELETE", "/v1/datasets/ds_1")
    assert drive(call(delete, 4), LOST, gone)[2] == gone
    assert isinstance(drive(call(delete, 4), gone)[3], ApiError)


def test_an_error_says_all_that_the_problem_said() -> None:
    told = {
        "code": "field_invalid",
        "detail": "epsilon: too large.",
        "hint": "Use 8/255.",
        "param": "epsilon",
        "request_id": "req_1",
        "errors": [{"code": "field_invalid", "param": "epsilon", "detail": "too large"}],
        "validation_report": {
            "total": 1,
            "files": [{"file": "a.png", "code": "image_truncated", "message": "Cut short."}],
        },
    }
    error = error_of(422, told, None)
    assert str(error) == "epsilon: too large. Use 8/255. (field_invalid, request req_1)"
    assert (error.code, error.param, error.hint) == ("field_invalid", "epsilon", "Use 8/255.")
    assert error.errors[0].param == "epsilon"
    assert error.validation_report is not None
    assert error.validation_report.files[0].file == "a.png"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ([], "no JSON object"),
        ({"id": "job_1"}, "missing"),
        ({"id": 3}, "id of the Job"),
        ({"id": "job_1", "created_at": "yesterday"}, "created_at of the Job"),
    ],
)
def test_an_answer_of_something_else(body: Any, complaint: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=complaint):
        drive(ask(Job, Request("GET", "/"), 0), answer(200, body))


def test_members_of_a_newer_server_are_kept() -> None:
    body = {"code": "c", "message": "m", "colour": "blue"}
    failure = drive(ask(Failure, Request("GET", "/"), 0), answer(200, body))[2]
    assert failure == Failure(code="c", message="m")
    assert failure.raw["colour"] == "blue"
