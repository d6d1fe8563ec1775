"""The protected dataset in another layout: made by a worker when asked for, and once."""

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix
from core.settings import Settings
from core.tables import Artifact, Job
from tests.service.played import Owner, PlayedWorker, problem
from tests.worker.layouts.good_files import arrays
from worker.purge import purge_jobs

pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture
def protected(owner: Owner, job: dict[str, Any], store: ObjectStore) -> bytes:
    """What the job has protected."""
    content = arrays()
    key = job_prefix(owner.tenant_id, job["id"]) + "attempts/x/protected.npz"
    store.put_bytes(key, content)
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=owner.tenant_id,
                job_id=job["id"],
                kind="protected_dataset",
                name="protected.npz",
                content_type="application/octet-stream",
                object_key=key,
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )
    return content


def conversions_of(job: dict[str, Any]) -> list[Job]:
    with transaction() as session:
        return list(session.scalars(select(Job).where(Job.parent_id == job["id"])))


def test_asked_for_twice_it_is_made_once(
    owner: Owner,
    job: dict[str, Any],
    protected: bytes,
    store: ObjectStore,
    servers: Settings,
) -> None:
    address = f"/v1/jobs/{job['id']}/artifacts"
    answer = owner.api.post(address, json={"layout": "parquet"})
    assert answer.status_code == 200, answer.text
    files = {one["name"]: one for one in answer.json()["data"]}
    assert {name: one["kind"] for name, one in files.items()} == {
        "manifest-parquet.json": "conversion_manifest",
        "protected-test.parquet": "converted_dataset",
        "protected-train.parquet": "converted_dataset",
    }
    again = owner.api.post(address, json={"layout": "parquet"}).json()["data"]
    assert [one["id"] for one in again] == [one["id"] for one in files.values()]
    (made,) = conversions_of(job)
    assert {one["id"] for one in owner.api.get(address).json()["data"]} > {
        one["id"] for one in again
    }
    seen = owner.api.get(f"/v1/jobs/{made.id}").json()
    assert (seen["kind"], seen["parent_id"], seen["status"]) == (
        "conversion",
        job["id"],
        "succeeded",
    )
    assert [one["id"] for one in owner.api.get("/v1/jobs").json()["data"]] == [job["id"]]

    purge_jobs(servers.model_copy(update={"lease_seconds": 0.0}))
    with transaction() as session:
        rows = {
            row.name: row
            for row in session.scalars(select(Artifact).where(Artifact.job_id == made.id))
        }
    contents = {name: store.get_bytes(row.object_key) for name, row in rows.items()}
    told = json.loads(contents["manifest-parquet.json"])
    assert told["job_id"] == job["id"]
    assert told["source"]["sha256"] == hashlib.sha256(protected).hexdigest()
    for name, digest in told["files"].items():
        assert hashlib.sha256(contents[name]).hexdigest() == digest == files[name]["sha256"]

    # Other layouts are other files; as uploaded is what the job made.
    npz = owner.api.post(address, json={"layout": "npz"}).json()["data"]
    row_id = next(one["id"] for one in npz if one["name"] == "protected-arrays.npz")
    with transaction() as session:
        key = session.get_one(Artifact, row_id).object_key
    with np.load(io.BytesIO(store.get_bytes(key))) as new, np.load(io.BytesIO(protected)) as old:
        for name in old.files:
            np.testing.assert_array_equal(new[name], old[name])
    (same,) = owner.api.post(address, json={"layout": "uploaded"}).json()["data"]
    assert same["name"] == "protected.npz"


def test_what_cannot_be_converted(
    owner: Owner, job: dict[str, Any], worker: PlayedWorker, new_owner: Callable[[], Owner]
) -> None:
    address = f"/v1/jobs/{job['id']}/artifacts"
    for layout in ("npz", "uploaded"):
        problem(owner.api.post(address, json={"layout": layout}), 409, "job_not_succeeded")
    problem(owner.api.post(address, json={"layout": "tar"}), 422, "field_invalid", "layout")
    stranger = new_owner().api.post(address, json={"layout": "npz"})
    problem(stranger, 404, "job_not_found")


def test_whoever_does_not_wait_asks_again(
    owner: Owner, job: dict[str, Any], protected: bytes, worker: PlayedWorker
) -> None:
    worker.away = True
    address = f"/v1/jobs/{job['id']}/artifacts"
    hurried = {"Prefer": "respond-async"}
    first = owner.api.post(address, json={"layout": "image_folder"}, headers=hurried)
    assert (first.status_code, first.json()["kind"]) == (202, "conversion")
    second = owner.api.post(address, json={"layout": "image_folder"}, headers=hurried)
    assert second.headers["location"] == first.headers["location"]
    worker.away = False
    done = owner.api.post(address, json={"layout": "image_folder"})
    assert done.status_code == 200
    assert "protected-folders.zip" in {one["name"] for one in done.json()["data"]}
    assert len(conversions_of(job)) == 1
