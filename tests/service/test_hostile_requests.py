"""Requests that were made to break something, each of which once did."""

import asyncio
import json
import threading
import time
from typing import Any, Never

import pytest
from sqlalchemy import Connection, delete, event, select, text
from sqlalchemy.orm import Session
from starlette.requests import Request

from core.database import get_engine, transaction
from core.tables import Dataset, IdempotencyKey
from service.kit.idempotency import _fingerprint
from tests.service.played import Owner, PlayedWorker, problem

JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "multipart/form-data; boundary=x")


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("metadata", {"note": "a\0b"}, "metadata.note"),
        ("metadata", {"a\0b": "note"}, "metadata.a\0b"),
        ("label_map", {"\ud800": "cat"}, "label_map.\ud800"),
        ("label_map", "\ud800", "label_map"),
        ("protected_fraction", {"classes": ["\ud800"]}, "protected_fraction.classes.0"),
    ],
)
def test_text_that_cannot_be_stored_or_answered(
    owner: Owner, ready_dataset: dict[str, Any], field: str, value: object, param: str
) -> None:
    body = {"dataset_id": ready_dataset["id"], "epsilon": 0.3, field: value}
    answer = owner.api.post("/v1/jobs", content=json.dumps(body), headers=dict([JSON]))
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "field_invalid"
    assert answer.json()["param"].startswith(field)


@pytest.mark.parametrize("types", [(JSON, FORM), (FORM, JSON)])
def test_two_content_types_do_not_pass_the_limit_of_bodies(
    owner: Owner, types: tuple[tuple[str, str], ...]
) -> None:
    """One reader took the first for JSON, the other the second for a form, and nobody counted."""
    body = b'{"upload_id": "' + b"x" * (2 << 20) + b'"}'
    answer = owner.api.post("/v1/datasets", content=body, headers=list(types))
    assert answer.json()["code"] in {"body_too_large", "form_malformed"}


def test_a_form_is_never_read_whole_for_its_key() -> None:
    """`Multipart/Form-Data` was none, and 4 GiB of it were kept in memory."""

    async def receive() -> Never:
        raise AssertionError("the body was read")

    headers = [(b"content-type", b"Multipart/Form-Data; boundary=x"), (b"content-length", b"9")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/datasets",
        "query_string": b"",
        "headers": headers,
        "server": ("api", 80),
        "scheme": "http",
    }
    assert asyncio.run(_fingerprint(Request(scope, receive)))


def test_a_key_that_is_forgotten_between_two_looks_is_free(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    """A refused request forgets its key; whoever repeated it at that moment was answered 500."""
    with transaction() as session:
        session.add(IdempotencyKey(tenant_id=owner.tenant_id, key="a", fingerprint="of another"))
    forgot = threading.Event()

    def forget(connection: Connection, _: object, statement: str, *__: object) -> None:
        if statement.startswith("INSERT INTO idempotency_keys") and not forgot.is_set():
            forgot.set()
            with transaction() as other:
                other.execute(delete(IdempotencyKey).where(IdempotencyKey.key == "a"))

    event.listen(get_engine(), "after_cursor_execute", forget)
    try:
        answer = owner.api.post(
            "/v1/jobs",
            json={"dataset_id": ready_dataset["id"], "epsilon": 0.3},
            headers={"Idempotency-Key": "a"},
        )
    finally:
        event.remove(get_engine(), "after_cursor_execute", forget)
    assert forgot.is_set()
    assert answer.status_code == 202, answer.text


def test_pairs_named_the_other_way_round_do_not_deadlock(
    owner: Owner, worker: PlayedWorker, ready_dataset: dict[str, Any]
) -> None:
    """Whoever waits for the dataset with the smaller id does not hold the other one."""
    other = owner.api.post("/v1/datasets", files={"file": ("b.npz", b"bytes")}).json()["id"]
    first, second = sorted([ready_dataset["id"], other])
    asked = {"clean_dataset_id": second, "protected_dataset_id": first}
    answers = []
    request = threading.Thread(
        target=lambda: answers.append(owner.api.post("/v1/evaluations", json=asked))
    )
    with transaction() as session:
        session.scalars(select(Dataset).where(Dataset.id == first).with_for_update()).one()
        request.start()
        _wait_until_somebody_waits(session)
        session.execute(
            select(Dataset.id).where(Dataset.id == second).with_for_update(nowait=True)
        ).one()
    request.join()
    assert answers[0].status_code == 202, answers[0].text


def _wait_until_somebody_waits(session: Session) -> None:
    deadline = time.monotonic() + 60
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while not session.scalar(waiting):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_names_with_control_characters_are_cleaned(owner: Owner) -> None:
    body = {"name": "a\0\r\nSet-Cookie: x", "size_bytes": 3, "sha256": "0" * 64}
    answer = owner.api.post("/v1/uploads", json=body)
    assert answer.json()["name"] == "aSet-Cookie: x"
    problem(owner.api.get("/v1/uploads/upl_%0d%0aX-Y:1"), 404, "upload_not_found")
