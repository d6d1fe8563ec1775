"""So many requests a second for each key, and what callers are told about it."""

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from core.settings import Settings
from service.app import create_app
from service.kit.rate_limit import RateLimiter
from tests.service.played import Owner, problem

LIMITS = {"rate_limit_per_second": 0.01, "rate_limit_burst": 3}


@pytest.fixture
def slow(servers: Settings) -> Iterator[TestClient]:
    """An API that takes three requests of each key, and then one in 100 seconds."""
    with TestClient(create_app(servers.model_copy(update=LIMITS))) as client:
        yield client


def test_every_answer_tells_what_is_left(owner: Owner) -> None:
    for path, status in (("/v1/jobs", 200), ("/v1/jobs/x", 404)):
        answer = owner.api.get(path)
        assert answer.status_code == status
        assert answer.headers["ratelimit-policy"] == '"key";q=400;w=4'
        assert answer.headers["ratelimit"].startswith('"key";r=39')
    assert "ratelimit" not in owner.api.get("/healthz").headers


def test_a_key_that_hurries_has_to_wait(slow: TestClient, new_owner: Callable[[], Owner]) -> None:
    owner, other = new_owner(), new_owner()
    headers = {"Authorization": f"Bearer {owner.key}"}
    left = []
    for _ in range(3):
        answer = slow.get("/v1/jobs", headers=headers)
        assert answer.status_code == 200
        left.append(answer.headers["ratelimit"].split(";")[1])
    assert left == ["r=2", "r=1", "r=0"]
    refused = slow.get("/v1/jobs", headers=headers)
    problem(refused, 429, "rate_limited")
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert refused.headers["ratelimit-policy"] == '"key";q=3;w=300'
    # Another key has a bucket of its own, and probes have none.
    assert slow.get("/v1/jobs", headers={"Authorization": f"Bearer {other.key}"}).status_code == 200
    assert slow.get("/healthz", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"broker_url": "redis://127.0.0.1:1/0"},
        {"broker_url": "amqp://127.0.0.1/"},
        {"rate_limit_per_second": 0.0},
    ],
)
def test_nobody_is_limited_without_buckets(servers: Settings, changed: dict[str, object]) -> None:
    values = servers.model_dump() | LIMITS | changed
    limiter = RateLimiter(Settings.model_validate(values))
    assert [limiter.take("x") for _ in range(5)] == [None] * 5
    limiter.close()
