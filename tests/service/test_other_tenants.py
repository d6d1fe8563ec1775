"""One tenant's key opens nothing of another's: every call of the OpenAPI document is walked."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from core.database import transaction
from core.ids import new_id
from core.tables import Artifact, Generator
from tests.service.played import Owner, problem

# What nobody is without: even a stranger has some of its own.
NEVER_EMPTY = {"/v1/api_keys", "/v1/audit_events"}
Call = tuple[str, str, dict[str, Any]]


def calls(app: FastAPI) -> Iterator[Call]:
    """Method, path and operation of every call that needs a key."""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if "security" in operation:
                yield method, path, operation


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """The documented example of a JSON body, as an argument of the client."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return {}
    examples = content.get("examples", {"": {"value": content.get("example")}})
    return {"json": next(iter(examples.values()))["value"]}


@pytest.fixture
def things(owner: Owner, job: dict[str, Any]) -> dict[str, str]:
    """One thing of the owner for every kind of id that an address can hold."""
    begun = owner.api.post(
        "/v1/uploads", json={"size_bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    )
    rows = [
        Artifact(
            id=new_id("art"),
            tenant_id=owner.tenant_id,
            job_id=job["id"],
            kind="protected_dataset",
            name="protected.npz",
            content_type="application/octet-stream",
            object_key="tenants/x",
            size_bytes=1,
            sha256="0",
        ),
        Generator(
            id=new_id("gen"),
            tenant_id=owner.tenant_id,
            job_id=job["id"],
            object_key="tenants/x",
            size_bytes=1,
            sha256="0",
            training={},
        ),
    ]
    with transaction() as session:
        session.add_all(rows)
    webhook = owner.api.post("/v1/webhooks", json={"url": "https://hooks.example.com/"}).json()
    tested = owner.api.post(f"/v1/webhooks/{webhook['id']}/test").json()
    pair = {"clean_dataset_id": job["dataset_id"], "job_id": job["id"]}
    evaluation = owner.api.post("/v1/evaluations", json=pair)
    erased = owner.api.post("/v1/datasets", files={"file": b"x"}).json()
    erasure = owner.api.post(f"/v1/datasets/{erased['id']}/erase")
    study = {"dataset_id": job["dataset_id"], "epsilons": [0.1, 0.2]}
    return {
        "erasure_id": erasure.json()["id"],
        "dataset_id": job["dataset_id"],
        "job_id": job["id"],
        "upload_id": begun.json()["id"],
        "artifact_id": rows[0].id,
        "generator_id": rows[1].id,
        "evaluation_id": evaluation.json()["id"],
        "api_key_id": owner.api.get("/v1/api_keys").json()["data"][0]["id"],
        "webhook_id": webhook["id"],
        "delivery_id": tested["id"],
        "study_id": owner.api.post("/v1/studies", json=study).json()["id"],
    }


def test_every_address_of_another_tenant_is_unknown(
    app: FastAPI, things: dict[str, str], new_owner: Callable[[], Owner]
) -> None:
    stranger = new_owner()
    walked = 0
    for method, path, operation in calls(app):
        if "{" not in path:
            continue
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        assert names[0] in things, f"{path}: add a thing of the owner to this test"
        address = path
        for name in names:
            address = address.replace(f"{{{name}}}", things.get(name, "1"))
        answer = stranger.api.request(method, address, **body_of(operation))
        assert answer.status_code == 404, (method, path, answer.text)
        assert answer.json()["code"].endswith("_not_found"), (method, path)
        assert "text/event-stream" not in answer.headers["content-type"]
        walked += 1
    assert walked >= 10


def test_every_list_holds_only_what_is_ones_own(
    app: FastAPI, things: dict[str, str], new_owner: Callable[[], Owner]
) -> None:
    stranger = new_owner()
    for method, path, _ in calls(app):
        if method == "get" and "{" not in path:
            answer = stranger.api.get(path)
            assert answer.status_code == 200, path
            assert path in NEVER_EMPTY or answer.json().get("data", []) == [], path
            assert not [thing for thing in things.values() if thing in answer.text], path
            for thing in things.values():
                # Not even as the place at which a list goes on.
                told = stranger.api.get(path, params={"after": thing}).text
                assert thing not in told, path


def test_ids_in_bodies_are_unknown_too(
    things: dict[str, str], new_owner: Callable[[], Owner]
) -> None:
    stranger = new_owner()
    job = {"dataset_id": things["dataset_id"], "epsilon": 0.1}
    problem(stranger.api.post("/v1/jobs", json=job), 404, "dataset_not_found", "dataset_id")
    problem(
        stranger.api.post("/v1/jobs/estimate", json=job), 404, "dataset_not_found", "dataset_id"
    )
    pair = {"clean_dataset_id": things["dataset_id"], "job_id": things["job_id"]}
    answer = stranger.api.post("/v1/evaluations", json=pair)
    problem(answer, 404, "dataset_not_found", "clean_dataset_id")
    study = {"dataset_id": things["dataset_id"], "epsilons": [0.1, 0.2]}
    problem(stranger.api.post("/v1/studies", json=study), 404, "dataset_not_found", "dataset_id")
    upload = {"upload_id": things["upload_id"]}
    problem(stranger.api.post("/v1/datasets", json=upload), 404, "upload_not_found", "upload_id")


def test_everything_needs_a_key(app: FastAPI, things: dict[str, str], owner: Owner) -> None:
    keyless = {"Authorization": "Bearer ul_" + "0" * 40}
    for method, path, operation in calls(app):
        address = path
        for name, thing in things.items():
            address = address.replace(f"{{{name}}}", thing)
        answer = owner.api.request(method, address, headers=keyless, **body_of(operation))
        problem(answer, 401, "api_key_invalid")


def test_a_delivery_is_found_under_its_own_webhook_only(
    things: dict[str, str], owner: Owner, new_owner: Callable[[], Owner]
) -> None:
    stranger = new_owner()
    for someone in (owner, stranger):
        other = someone.api.post("/v1/webhooks", json={"url": "https://hooks.example.com/"})
        address = f"/v1/webhooks/{other.json()['id']}/deliveries/{things['delivery_id']}"
        problem(someone.api.get(address), 404, "delivery_not_found")
        problem(someone.api.post(f"{address}/redeliver"), 404, "delivery_not_found")
