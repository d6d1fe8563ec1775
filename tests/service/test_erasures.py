"""Asking for a dataset to be erased or kept for a while only."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from core.settings import Settings
from tests.service.played import Owner, problem
from worker.erasure import erase_datasets


def test_a_dataset_is_gone_at_once_and_its_bytes_soon(
    owner: Owner, job: dict[str, Any], servers: Settings
) -> None:
    address = f"/v1/datasets/{job['dataset_id']}"
    answer = owner.api.post(f"{address}/erase")
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["dataset_id"], asked["status"]) == (job["dataset_id"], "pending")
    assert asked["objects"] is asked["size_bytes"] is None
    problem(owner.api.get(address), 404, "dataset_not_found")
    assert owner.api.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
    assert owner.api.post(f"{address}/erase").json() == asked  # also of what is deleted
    # No worker has written for as long as a lease lasts.
    erase_datasets(servers.model_copy(update={"lease_seconds": 0}))
    told = owner.api.get(answer.headers["location"]).json()
    assert told["status"] == "completed"
    assert told["objects"] == 1
    assert told["job_ids"] == [job["id"]]
    assert [file["kind"] for file in told["files"]] == ["original"]
    assert owner.api.get("/v1/erasures").json()["data"] == [told]
    assert owner.api.get(f"/v1/jobs/{job['id']}").json()["id"] == job["id"]


def test_a_dataset_that_is_being_read_can_be_erased(owner: Owner, servers: Settings) -> None:
    dataset = owner.api.post(
        "/v1/datasets", files={"file": b"x"}, headers={"Prefer": "respond-async"}
    ).json()
    answer = owner.api.post(f"/v1/datasets/{dataset['id']}/erase")
    erase_datasets(servers.model_copy(update={"lease_seconds": 0}))
    assert owner.api.get(answer.headers["location"]).json()["status"] == "completed"


def test_owners_say_how_long_an_original_is_kept(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    address = f"/v1/datasets/{ready_dataset['id']}"
    assert ready_dataset["retention_seconds"] is ready_dataset["expires_at"] is None
    changed = owner.api.patch(address, json={"retention_seconds": 3600}).json()
    ready_at = datetime.fromisoformat(changed["ready_at"])
    assert datetime.fromisoformat(changed["expires_at"]) == ready_at + timedelta(hours=1)
    assert owner.api.patch(address, json={}).json() == changed
    assert owner.api.get(address).json() == changed
    back = owner.api.patch(address, json={"retention_seconds": None}).json()
    assert back == ready_dataset


@pytest.mark.parametrize("seconds", [0, -1, "60", 60.5, 10**12])
def test_times_that_make_no_sense(
    owner: Owner, ready_dataset: dict[str, Any], seconds: object
) -> None:
    answer = owner.api.patch(
        f"/v1/datasets/{ready_dataset['id']}", json={"retention_seconds": seconds}
    )
    problem(answer, 422, "field_invalid", "retention_seconds")
