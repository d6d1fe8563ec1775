"""Uploading a dataset, waiting for its verdict, and looking at it."""

import hashlib
import threading
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from core import lifecycle
from core.database import transaction
from core.object_store import ObjectStore, dataset_prefix, tenant_prefix
from core.pools import INGEST
from core.problem import Problem
from core.settings import Settings
from core.tables import Dataset, Event, Step
from service.app import create_app
from tests.locks import right_after
from tests.service.played import SUMMARY, Owner, PlayedWorker, problem
from worker.purge import purge_datasets

ASYNC = {"Prefer": "respond-async"}


def upload(owner: Owner, content: bytes = b"content", **kwargs: Any) -> Response:
    return owner.api.post("/v1/datasets", files={"file": ("digits.npz", content)}, **kwargs)


def test_an_upload_is_stored_and_judged(
    owner: Owner, worker: PlayedWorker, store: ObjectStore
) -> None:
    content = b"any bytes" * 1000
    response = upload(owner, content)
    dataset = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert dataset["object"] == "dataset"
    assert dataset["name"] == "digits.npz"
    assert dataset["status"] == "ready"
    assert {key: dataset[key] for key in SUMMARY} == SUMMARY
    assert dataset["size_bytes"] == len(content)
    assert dataset["sha256"] == hashlib.sha256(content).hexdigest()
    assert dataset["error"] is None
    assert dataset["validation_report"] == {"total": 0, "files": []}
    assert dataset["created_at"] <= dataset["ready_at"]
    assert owner.api.get(response.headers["location"]).json() == dataset
    key = dataset_prefix(owner.tenant_id, dataset["id"]) + "upload"
    assert store.get_bytes(key) == content


def test_an_upload_need_not_wait(owner: Owner) -> None:
    response = upload(owner, headers={"Prefer": 'foo=1, Respond-Async; wait="10"'})
    assert response.status_code == 202
    response = upload(owner, headers=ASYNC)
    dataset = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert response.headers["preference-applied"] == "respond-async"
    assert dataset["status"] == "validating"
    assert dataset["classes"] is None
    with transaction() as session:
        row = session.get_one(Dataset, dataset["id"])
        step = session.scalars(select(Step).where(Step.dataset_id == dataset["id"])).one()
        events = session.scalars(select(Event).where(Event.subject_id == dataset["id"])).all()
    assert row.upload_key == dataset_prefix(owner.tenant_id, dataset["id"]) + "upload"
    assert (step.kind, step.pool, step.status) == ("ingest", INGEST, "queued")
    assert [event.type for event in events] == ["dataset.created"]


@pytest.mark.parametrize("order", [("name", "file"), ("file", "name")])
def test_a_name_may_come_before_or_after_the_file(owner: Owner, order: tuple[str, str]) -> None:
    parts = {"file": ("a.zip", b"x"), "name": (None, "Möwen \x00\u202e 2026")}
    files = [(field, parts[field]) for field in order]
    response = owner.api.post("/v1/datasets", files=files, headers=ASYNC)
    assert response.json()["name"] == "Möwen  2026"


@pytest.mark.parametrize(
    ("filename", "name"),
    [("C:\\photos\\birds.zip", "birds.zip"), ("../../etc/x", "x"), (" ", "dataset")],
)
def test_without_a_name_the_file_gives_it(owner: Owner, filename: str, name: str) -> None:
    response = owner.api.post("/v1/datasets", files={"file": (filename, b"x")}, headers=ASYNC)
    assert response.json()["name"] == name


def test_a_rejected_upload_leaves_nothing(owner: Owner, worker: PlayedWorker) -> None:
    worker.verdict = Problem("image_truncated", "Save it again.", "train/cat/1.png")
    body = problem(upload(owner), 422, "image_truncated", "train/cat/1.png")
    assert body["detail"] == "Save it again."
    assert owner.api.get("/v1/datasets").json()["data"] == []
    with transaction() as session:
        row = session.scalars(select(Dataset).where(Dataset.tenant_id == owner.tenant_id)).one()
    assert row.status == lifecycle.DELETED
    problem(owner.api.get(f"/v1/datasets/{row.id}"), 404, "dataset_not_found")


def test_every_file_at_fault_is_told(owner: Owner, worker: PlayedWorker) -> None:
    """In the answer of who waits, and on the dataset of who does not."""
    report = {
        "total": 120,
        "files": [
            {"file": f"train/cat/{i}.png", "code": "image_truncated", "message": "Save it again."}
            for i in range(100)
        ],
    }
    worker.verdict = Problem("image_truncated", "Again.", "train/cat/0.png", report=report)
    body = problem(upload(owner), 422, "image_truncated", "train/cat/0.png")
    assert body["validation_report"] == report
    address = upload(owner, headers=ASYNC).headers["location"]
    while (dataset := owner.api.get(address).json())["status"] == "validating":
        assert dataset["validation_report"] is None
    assert dataset["status"] == "rejected"
    assert dataset["validation_report"] == report
    assert dataset["error"]["param"] == "train/cat/0.png"


def test_our_own_failure_is_not_the_owners(owner: Owner, worker: PlayedWorker) -> None:
    worker.verdict = Problem("worker_lost", "The worker died.", retryable=True)
    response = upload(owner)
    problem(response, 503, "worker_lost")
    assert response.headers["retry-after"]


def test_a_dataset_that_is_deleted_while_its_upload_waits(owner: Owner) -> None:
    def delete() -> None:
        while True:
            with transaction() as session:
                row = session.scalars(
                    select(Dataset).where(Dataset.tenant_id == owner.tenant_id).with_for_update()
                ).one_or_none()
                if row is not None:
                    lifecycle.change_dataset(session, row, lifecycle.DELETED)
                    return

    thread = threading.Thread(target=delete)
    thread.start()
    problem(upload(owner), 404, "dataset_not_found")
    thread.join()


def test_a_deleted_dataset_is_gone_with_its_bytes(
    owner: Owner, ready_dataset: dict[str, Any], store: ObjectStore
) -> None:
    address = f"/v1/datasets/{ready_dataset['id']}"
    assert list(store.keys(tenant_prefix(owner.tenant_id)))
    assert owner.api.delete(address).status_code == 204
    assert list(store.keys(tenant_prefix(owner.tenant_id))) == []
    problem(owner.api.get(address), 404, "dataset_not_found")
    problem(owner.api.delete(address), 404, "dataset_not_found")
    assert owner.api.get("/v1/datasets").json()["data"] == []


def test_a_deletion_that_is_not_written_down_has_deleted_nothing(
    owner: Owner, ready_dataset: dict[str, Any], store: ObjectStore
) -> None:
    def fail() -> None:
        raise RuntimeError

    before = list(store.keys(tenant_prefix(owner.tenant_id)))
    address = f"/v1/datasets/{ready_dataset['id']}"
    with right_after("UPDATE datasets", ready_dataset["id"], fail):
        problem(owner.api.delete(address), 500, "internal_error")
    assert owner.api.get(address).json()["status"] == "ready"
    assert list(store.keys(tenant_prefix(owner.tenant_id))) == before != []


def test_a_deletion_while_the_store_is_away_is_the_sweepers_to_finish(
    servers: Settings, owner: Owner, ready_dataset: dict[str, Any], store: ObjectStore
) -> None:
    app = create_app(servers.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"}))
    api = TestClient(app, headers={"Authorization": f"Bearer {owner.key}"})
    address = f"/v1/datasets/{ready_dataset['id']}"
    assert api.delete(address).status_code == 204
    problem(owner.api.get(address), 404, "dataset_not_found")
    assert list(store.keys(tenant_prefix(owner.tenant_id)))
    for _ in range(20):  # a hundred at a time, and other tests leave some
        purge_datasets(servers.model_copy(update={"lease_seconds": 0.0}))
    assert list(store.keys(tenant_prefix(owner.tenant_id))) == []


def test_a_dataset_in_use_stays(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/datasets/{job['dataset_id']}"
    response = owner.api.delete(address)
    problem(response, 409, "dataset_in_use")
    assert response.headers["x-should-retry"] == "false"
    owner.api.post(f"/v1/jobs/{job['id']}/cancel")
    assert owner.api.delete(address).status_code == 204
    assert owner.api.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"


def test_a_dataset_under_validation_stays(owner: Owner) -> None:
    dataset = upload(owner, headers=ASYNC).json()
    response = owner.api.delete(f"/v1/datasets/{dataset['id']}")
    problem(response, 409, "dataset_validating")
    assert response.headers["x-should-retry"] == "true"
    assert response.headers["retry-after"]


def test_datasets_are_listed_newest_first(owner: Owner) -> None:
    ids = [upload(owner, headers=ASYNC).json()["id"] for _ in range(3)]
    page = owner.api.get("/v1/datasets", params={"limit": 2}).json()
    assert [dataset["id"] for dataset in page["data"]] == ids[:0:-1]
    assert page["has_more"]
    page = owner.api.get("/v1/datasets", params={"after": ids[1]}).json()
    assert [dataset["id"] for dataset in page["data"]] == ids[:1]
    assert not page["has_more"]


def test_a_contact_sheet_is_a_download(
    owner: Owner, ready_dataset: dict[str, Any], store: ObjectStore
) -> None:
    address = f"/v1/datasets/{ready_dataset['id']}/contact-sheet"
    problem(owner.api.get(address), 404, "contact_sheet_missing")
    prefix = dataset_prefix(owner.tenant_id, ready_dataset["id"])
    with transaction() as session:
        session.get_one(Dataset, ready_dataset["id"]).canonical_prefix = prefix
    store.put_bytes(f"{prefix}contact-sheet.png", b"a PNG")
    response = owner.api.get(address)
    assert (response.status_code, response.content) == (200, b"a PNG")
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"].startswith("attachment; filename=")
    assert response.headers["x-content-type-options"] == "nosniff"
