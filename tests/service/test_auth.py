"""Keys, and the walls between tenants."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from core.database import transaction
from core.ids import new_id
from core.tables import ApiKey, Artifact
from tests.service.played import Owner, PlayedWorker, problem

FREE = {"/healthz", "/readyz"}


def guarded(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every call that needs a key, as documented."""
    return [
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path not in FREE
    ]


def test_every_call_needs_a_key(app: FastAPI, owner: Owner) -> None:
    for method, path in guarded(app):
        path = re.sub(r"{\w+}", "x", path)
        response = owner.api.request(method, path, headers={"Authorization": ""})
        problem(response, 401, "api_key_missing")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["Basic b3duZXI6a2V5", "Bearer", "ul_key"])
def test_other_ways_to_say_who_one_is(owner: Owner, given: str) -> None:
    response = owner.api.get("/v1/jobs", headers={"Authorization": given})
    problem(response, 401, "api_key_missing")


@pytest.mark.parametrize("key", ["ul_wrong", "x", "ul_" + "x" * 5000, "\xe9\xff"])
def test_unknown_keys(owner: Owner, key: str) -> None:
    header = f"Bearer {key}".encode("latin-1")
    response = owner.api.get("/v1/jobs", headers={b"Authorization": header})
    problem(response, 401, "api_key_invalid")
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert key not in response.text


def test_a_revoked_key_opens_nothing(owner: Owner) -> None:
    assert owner.api.get("/v1/jobs").status_code == 200
    with transaction() as session:
        for key in session.query(ApiKey).where(ApiKey.tenant_id == owner.tenant_id):
            key.revoked_at = key.created_at
    problem(owner.api.get("/v1/jobs"), 401, "api_key_invalid")


def test_nobody_sees_anothers_things(new_owner: Callable[[], Owner], worker: PlayedWorker) -> None:
    owner, stranger = new_owner(), new_owner()
    dataset = owner.api.post("/v1/datasets", files={"file": b"x"}).json()
    asked = {"dataset_id": dataset["id"], "epsilon": 0.3}
    job = owner.api.post("/v1/jobs", json=asked).json()
    problem(stranger.api.post("/v1/jobs", json=asked), 404, "dataset_not_found", "dataset_id")
    for noun, own in (("datasets", dataset), ("jobs", job)):
        assert stranger.api.get(f"/v1/{noun}").json()["data"] == []
        after = own["id"][:-1] + "z"  # a cursor is no way in either
        assert stranger.api.get(f"/v1/{noun}?after={after}").json()["data"] == []
    assert owner.api.get(f"/v1/jobs/{job['id']}").json()["status"] == "queued"
    assert owner.api.get(f"/v1/datasets/{dataset['id']}").json() == dataset


def test_artifacts_are_bound_to_their_tenant(
    owner: Owner, new_owner: Callable[[], Owner], job: dict[str, Any]
) -> None:
    """Even a row that names another tenant's job stays with its own tenant."""
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=new_owner().tenant_id,
                job_id=job["id"],
                kind="preview",
                name="preview.png",
                content_type="image/png",
                object_key="tenants/x",
                size_bytes=1,
                sha256="0",
            )
        )
    assert owner.api.get(f"/v1/jobs/{job['id']}/artifacts").json()["data"] == []
