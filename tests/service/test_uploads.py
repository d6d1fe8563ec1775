"""Resumable uploads: parts straight to the store, the whole checked, then a dataset."""

import asyncio
import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from core.database import transaction
from core.object_store import ObjectStore, dataset_prefix, tenant_prefix
from core.settings import MIB, Settings
from core.tables import Upload
from service.uploads.completions import AT_ONCE, Completions
from service.uploads.service import complete
from tests.service.played import Owner, PlayedWorker, problem
from worker.uploads import expire_uploads

PART = 5 * MIB
CONTENT = os.urandom(PART + 1000)


@pytest.fixture
def outside() -> Iterator[httpx2.Client]:
    """Somebody with nothing but a link."""
    with httpx2.Client(trust_env=False) as client:
        yield client


def begin(owner: Owner, content: bytes = CONTENT, **changes: Any) -> dict[str, Any]:
    asked = {
        "name": "photos.zip",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "part_size_bytes": PART,
    }
    response = owner.api.post("/v1/uploads", json=asked | changes)
    assert response.status_code == 201, response.text
    upload = dict(response.json())
    assert response.headers["location"] == f"/v1/uploads/{upload['id']}"
    return upload


def link(owner: Owner, upload: dict[str, Any], number: int, data: bytes) -> dict[str, Any]:
    asked = {"parts": [{"number": number, "sha256": hashlib.sha256(data).hexdigest()}]}
    response = owner.api.post(f"/v1/uploads/{upload['id']}/parts", json=asked)
    assert response.status_code == 200, response.text
    return dict(response.json()["data"][0])


def send(
    owner: Owner, outside: httpx2.Client, upload: dict[str, Any], content: bytes = CONTENT
) -> None:
    for number in range(1, upload["part_count"] + 1):
        data = content[(number - 1) * PART : number * PART]
        told = link(owner, upload, number, data)
        answer = outside.request(told["method"], told["url"], content=data, headers=told["headers"])
        assert answer.status_code == 200, answer.text


def test_parts_become_a_dataset(
    owner: Owner, worker: PlayedWorker, store: ObjectStore, outside: httpx2.Client
) -> None:
    upload = begin(owner)
    address = f"/v1/uploads/{upload['id']}"
    assert (upload["status"], upload["part_count"], upload["dataset_id"]) == ("pending", 2, None)
    send(owner, outside, upload)
    arrived = owner.api.get(f"{address}/parts").json()["data"]
    assert [(part["number"], part["size_bytes"]) for part in arrived] == [(1, PART), (2, 1000)]
    for _ in range(2):
        done = owner.api.post(f"{address}/complete").json()
        assert (done["status"], done["completed_at"] is None) == ("completed", False)
    response = owner.api.post("/v1/datasets", json={"upload_id": upload["id"]})
    dataset = response.json()
    assert response.status_code == 201
    assert (dataset["name"], dataset["status"]) == ("photos.zip", "ready")
    assert dataset["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert store.get_bytes(dataset_prefix(owner.tenant_id, dataset["id"]) + "upload") == CONTENT
    used = owner.api.get(address).json()
    assert (used["status"], used["dataset_id"]) == ("used", dataset["id"])
    again = owner.api.post("/v1/datasets", json={"upload_id": upload["id"]})
    problem(again, 409, "upload_used", "upload_id")
    problem(owner.api.post(f"{address}/cancel"), 409, "upload_used", "upload_id")
    assert owner.api.delete(f"/v1/datasets/{dataset['id']}").status_code == 204
    assert list(store.keys(tenant_prefix(owner.tenant_id))) == []


def test_a_link_takes_its_part_and_nothing_else(owner: Owner, outside: httpx2.Client) -> None:
    upload = begin(owner)
    data = CONTENT[:PART]
    told = link(owner, upload, 1, data)
    other = bytes(PART)
    other_sum = base64.b64encode(hashlib.sha256(other).digest()).decode()
    changed = told["headers"] | {"x-amz-checksum-sha256": other_sum}
    url = told["url"]
    for method, content, headers, address in (
        ("PUT", other, told["headers"], url),
        ("PUT", other, changed, url),
        ("PUT", data[:-1], told["headers"] | {"content-length": str(PART - 1)}, url),
        ("PUT", data, told["headers"], url.replace("partNumber=1", "partNumber=2")),
        ("PUT", data, told["headers"], url.replace("/upload?", "/other?")),
        ("DELETE", b"", {}, url),
        ("GET", b"", {}, url),
    ):
        answer = outside.request(method, address, content=content, headers=headers)
        assert answer.status_code in {400, 403}, (method, address)
    assert owner.api.get(f"/v1/uploads/{upload['id']}/parts").json()["data"] == []


def test_what_is_missing_is_named(owner: Owner, outside: httpx2.Client) -> None:
    upload = begin(owner)
    data = CONTENT[:PART]
    told = link(owner, upload, 1, data)
    outside.put(told["url"], content=data, headers=told["headers"])
    response = owner.api.post(f"/v1/uploads/{upload['id']}/complete")
    assert "1 of 2 parts" in problem(response, 409, "parts_missing", "parts")["detail"]
    response = owner.api.post("/v1/datasets", json={"upload_id": upload["id"]})
    problem(response, 409, "upload_not_completed", "upload_id")


def test_another_file_than_announced_is_deleted(
    owner: Owner, store: ObjectStore, outside: httpx2.Client
) -> None:
    upload = begin(owner, sha256="0" * 64)
    send(owner, outside, upload)
    address = f"/v1/uploads/{upload['id']}"
    problem(owner.api.post(f"{address}/complete"), 422, "upload_checksum_mismatch", "sha256")
    assert owner.api.get(address).json()["status"] == "cancelled"
    assert list(store.keys(tenant_prefix(owner.tenant_id))) == []
    problem(owner.api.post(f"{address}/complete"), 409, "upload_closed")


def test_a_lost_answer_costs_nothing(
    owner: Owner, store: ObjectStore, outside: httpx2.Client
) -> None:
    """The parts were put together, and what should have been written down was not."""
    upload = begin(owner)
    send(owner, outside, upload)
    with transaction() as session:
        row = session.get_one(Upload, upload["id"])
    arrived = store.parts_of(row.object_key, row.store_upload_id)
    assert arrived is not None
    etags = {number: etag for number, (_, etag) in arrived.items()}
    store.complete_multipart(row.object_key, row.store_upload_id, etags)
    told = owner.api.get(f"/v1/uploads/{upload['id']}/parts").json()["data"]
    assert [(part["number"], part["size_bytes"]) for part in told] == [(1, PART), (2, 1000)]
    response = owner.api.post(f"/v1/uploads/{upload['id']}/complete")
    assert response.json()["status"] == "completed"


@pytest.mark.parametrize("meanwhile", ["cancelled", "completed"])
def test_while_the_whole_is_read_nothing_is_held(
    owner: Owner,
    store: ObjectStore,
    outside: httpx2.Client,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
) -> None:
    """It takes minutes: whoever wants the row does not wait, and decides if it is sooner."""
    upload = begin(owner)
    send(owner, outside, upload)
    address = f"/v1/uploads/{upload['id']}"
    read = ObjectStore.sha256_of

    def read_slowly(self: ObjectStore, key: str, size: int) -> str | None:
        monkeypatch.undo()
        with transaction() as session:
            session.get_one(Upload, upload["id"], with_for_update={"nowait": True})
        problem(owner.api.post(f"{address}/complete"), 409, "upload_completing")
        if meanwhile == "cancelled":
            assert owner.api.post(f"{address}/cancel").status_code == 200
        else:  # by another process of the API
            complete(owner.tenant_id, upload["id"], store)
        return read(self, key, size)

    monkeypatch.setattr(ObjectStore, "sha256_of", read_slowly)
    answer = owner.api.post(f"{address}/complete")
    assert owner.api.get(address).json()["status"] == meanwhile
    if meanwhile == "cancelled":
        problem(answer, 409, "upload_closed")
        assert unfinished(owner, store) == []
    else:
        assert answer.json()["status"] == "completed"
        assert len(unfinished(owner, store)) == 1


def test_only_a_few_are_read_at_once() -> None:
    together, lock = threading.Barrier(AT_ONCE), threading.Lock()
    inside = most = 0

    def read() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait(60)
        with lock:
            inside -= 1

    async def ask() -> None:
        completions = Completions()
        await asyncio.gather(
            *(completions.run("ten", str(number), read) for number in range(3 * AT_ONCE))
        )

    asyncio.run(ask())
    assert most == AT_ONCE


def test_cancelling_deletes_what_has_arrived(
    owner: Owner, store: ObjectStore, outside: httpx2.Client
) -> None:
    upload = begin(owner)
    send(owner, outside, upload)
    told = link(owner, upload, 1, CONTENT[:PART])
    address = f"/v1/uploads/{upload['id']}"
    for _ in range(2):
        assert owner.api.post(f"{address}/cancel").json()["status"] == "cancelled"
    late = outside.put(told["url"], content=CONTENT[:PART], headers=told["headers"])
    assert late.status_code == 404
    assert unfinished(owner, store) == []
    asked = {"parts": [{"number": 1, "sha256": "0" * 64}]}
    problem(owner.api.post(f"{address}/parts", json=asked), 409, "upload_closed")
    assert owner.api.get(f"{address}/parts").json()["data"] == []


def unfinished(owner: Owner, store: ObjectStore) -> list[str]:
    """Objects and open multipart uploads of this owner."""
    prefix = tenant_prefix(owner.tenant_id)
    open_ = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=prefix)
    return [*store.keys(prefix), *(upload["Key"] for upload in open_.get("Uploads", []))]


@pytest.mark.parametrize("completed", [True, False])
def test_what_is_never_used_expires(
    owner: Owner, store: ObjectStore, servers: Settings, outside: httpx2.Client, completed: bool
) -> None:
    upload = begin(owner)
    kept = begin(owner)
    send(owner, outside, upload)
    address = f"/v1/uploads/{upload['id']}"
    if completed:
        owner.api.post(f"{address}/complete")
    with transaction() as session:
        session.execute(
            update(Upload)
            .where(Upload.id == upload["id"])
            .values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        )
    expire_uploads(servers)
    assert owner.api.get(address).json()["status"] == "expired"
    assert len(unfinished(owner, store)) == 1
    assert owner.api.get(f"/v1/uploads/{kept['id']}").json()["status"] == "pending"
    problem(owner.api.post(f"{address}/complete"), 409, "upload_closed")


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"size_bytes": 0}, "field_invalid", "size_bytes"),
        ({"size_bytes": 5 * 2**40}, "upload_too_large", "size_bytes"),
        ({"sha256": "F" * 64}, "field_invalid", "sha256"),
        ({"part_size_bytes": 5 * MIB - 1}, "field_invalid", "part_size_bytes"),
        (
            {"size_bytes": 4096 * MIB, "part_size_bytes": 4 * MIB + MIB},
            None,
            None,
        ),
        ({"part_size": 1}, "field_unknown", "part_size"),
        ({"name": ""}, "field_invalid", "name"),
    ],
)
def test_what_cannot_be_begun(
    owner: Owner, changes: dict[str, Any], code: str | None, param: str | None
) -> None:
    asked = {"size_bytes": 100, "sha256": "0" * 64} | changes
    response = owner.api.post("/v1/uploads", json=asked)
    if code is None:
        assert response.json()["part_count"] == 820
    else:
        status = 413 if code == "upload_too_large" else 422
        problem(response, status, code, param)


def test_parts_that_are_not_there(owner: Owner) -> None:
    upload = begin(owner)
    asked = {"parts": [{"number": 3, "sha256": "0" * 64}]}
    response = owner.api.post(f"/v1/uploads/{upload['id']}/parts", json=asked)
    problem(response, 422, "part_unknown", "parts")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "json_invalid"),
        (b"\xff", 400, "body_unreadable"),
        (b"[" * 100_000, 400, "body_unreadable"),
        (b"1" * 5000, 400, "body_unreadable"),
        (b" " * (MIB + 1), 413, "body_too_large"),
        (b"[]", 422, "field_invalid"),
        (b"{}", 422, "field_missing"),
        (b'{"upload_id": "upl_x", "file": 1}', 422, "field_unknown"),
        (b'{"upload_id": "upl_x\\u0000"}', 404, "upload_not_found"),
    ],
)
def test_json_that_names_no_upload(owner: Owner, body: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    response = owner.api.post("/v1/datasets", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


def test_names_are_made_printable(owner: Owner) -> None:
    assert begin(owner, name="a\x00\u202eb")["name"] == "ab"
    assert begin(owner, name="\x00")["name"] == "dataset"


def test_uploads_are_listed_newest_first(owner: Owner) -> None:
    ids = [begin(owner)["id"] for _ in range(3)]
    page = owner.api.get("/v1/uploads", params={"limit": 2}).json()
    assert [upload["id"] for upload in page["data"]] == ids[:0:-1]
    assert page["has_more"]
