"""POSTs that are sent again."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from core import doorbell, lifecycle
from core.database import transaction
from core.ids import new_id
from core.settings import get_settings
from core.tables import ApiKey, IdempotencyKey
from tests.service.played import Owner, PlayedWorker, problem
from worker.retention import expire_answers


def asked(dataset: dict[str, Any], **more: object) -> dict[str, object]:
    return {"dataset_id": dataset["id"], "epsilon": 0.3, **more}


def named(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_a_repeated_request_is_answered_again_and_done_once(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    first, again = (
        owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a-1"))
        for _ in range(2)
    )
    assert again.status_code == first.status_code == 202
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(owner.api.get("/v1/jobs").json()["data"]) == 1


def test_a_key_stands_for_one_request(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    other = owner.api.post("/v1/jobs", json=asked(ready_dataset, seed=1), headers=named("a"))
    problem(other, 422, "idempotency_key_reused", "Idempotency-Key")
    elsewhere = owner.api.post(f"/v1/jobs/{new_id('job')}/cancel", headers=named("a"))
    problem(elsewhere, 422, "idempotency_key_reused", "Idempotency-Key")


def test_a_refused_request_may_be_mended(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    refused = owner.api.post("/v1/jobs", json=asked(ready_dataset, epsilon=2), headers=named("a"))
    problem(refused, 422, "epsilon_out_of_range", "epsilon")
    mended = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    assert mended.status_code == 202


def test_a_request_that_is_under_way_is_not_done_twice(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    with transaction() as session:  # as after a crash between the deed and its note
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.tenant_id == owner.tenant_id)
            .values(status=None)
        )
    again = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    problem(again, 409, "idempotency_key_in_progress", "Idempotency-Key")
    assert again.headers["retry-after"]
    assert len(owner.api.get("/v1/jobs").json()["data"]) == 1


@pytest.mark.parametrize(
    ("where", "name", "then"), [(doorbell, "ring", 409), (lifecycle, "record", 202)]
)
def test_what_was_done_is_not_done_again_though_the_database_went_away(
    owner: Owner,
    ready_dataset: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    then: int,
) -> None:
    """After the commit the key stays taken; before, the same request may be sent again."""

    def away(*_: object, **__: object) -> None:
        raise OperationalError("", None, ConnectionError())

    monkeypatch.setattr(where, name, away)
    failed = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    problem(failed, 503, "database_unavailable")
    monkeypatch.undo()
    again = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a"))
    assert again.status_code == then, again.text
    assert len(owner.api.get("/v1/jobs").json()["data"]) == 1


def test_a_key_that_is_revoked_while_the_body_comes_opens_nothing(
    app: FastAPI, owner: Owner
) -> None:
    """However slowly somebody sends it who has stolen the key."""
    mine = ApiKey.tenant_id == owner.tenant_id
    told: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        if "begun" not in told:
            told["begun"] = True
            return {"type": "http.request", "body": b'{"name": ', "more_body": True}
        with transaction() as session:
            session.execute(update(ApiKey).where(mine).values(revoked_at=func.now()))
        return {"type": "http.request", "body": b'"mine"}', "more_body": False}

    async def send(message: Any) -> None:
        told.setdefault("status", message.get("status"))

    headers = {
        "authorization": f"Bearer {owner.key}",
        "content-type": "application/json",
        "idempotency-key": "a",
    }
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/api_keys",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("api", 80),
        "client": ("outside", 1),
        "scheme": "http",
    }
    asyncio.run(app(scope, receive, send))
    assert told["status"] == 401
    with transaction() as session:
        assert len(session.scalars(select(ApiKey.id).where(mine)).all()) == 1


def test_keys_of_others_are_others(new_owner: Callable[[], Owner], worker: PlayedWorker) -> None:
    ids = set()
    for owner in (new_owner(), new_owner()):
        dataset = owner.api.post("/v1/datasets", files={"file": b"x"}).json()
        job = owner.api.post("/v1/jobs", json=asked(dataset), headers=named("a")).json()
        ids.add(job["id"])
    assert len(ids) == 2


def test_an_upload_is_not_sent_twice(owner: Owner, worker: PlayedWorker) -> None:
    first, again = (
        owner.api.post("/v1/datasets", files={"file": b"bytes"}, headers=named("a"))
        for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    other = owner.api.post("/v1/datasets", files={"file": b"more bytes"}, headers=named("a"))
    problem(other, 422, "idempotency_key_reused", "Idempotency-Key")


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "\xe9"])
def test_bad_keys(owner: Owner, ready_dataset: dict[str, Any], key: str) -> None:
    response = owner.api.post(
        "/v1/jobs",
        json=asked(ready_dataset),
        headers={b"Idempotency-Key": key.encode("latin-1")},
    )
    problem(response, 400, "idempotency_key_invalid", "Idempotency-Key")


def test_answers_are_not_kept_for_ever(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    settings = get_settings()
    first = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a")).json()
    expire_answers(settings)
    again = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a")).json()
    assert again["id"] == first["id"]
    with transaction() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.tenant_id == owner.tenant_id)
            .values(
                created_at=IdempotencyKey.created_at
                - timedelta(seconds=settings.idempotency_seconds)
            )
        )
    expire_answers(settings)
    anew = owner.api.post("/v1/jobs", json=asked(ready_dataset), headers=named("a")).json()
    assert anew["id"] != first["id"]


def test_every_post_heeds_the_key(app: FastAPI, owner: Owner) -> None:
    posts = {
        path: methods["post"]
        for path, methods in app.openapi()["paths"].items()
        if "post" in methods
    }
    assert len(posts) >= 5
    for path, operation in posts.items():
        assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]
        response = owner.api.post(re.sub(r"{\w+}", "x", path), headers=named("two words"))
        problem(response, 400, "idempotency_key_invalid", "Idempotency-Key")
