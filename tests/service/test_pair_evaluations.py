"""Asking for the evaluation of any pair of datasets."""

from typing import Any

import pytest
from sqlalchemy import select

from core import lifecycle
from core.database import transaction
from core.ids import new_id
from core.tables import Artifact, Dataset, Job, Step
from service.evaluations.schemas import EXAMPLE
from tests.service.played import Owner, PlayedWorker, problem


@pytest.fixture
def other(owner: Owner, worker: PlayedWorker) -> str:
    response = owner.api.post("/v1/datasets", files={"file": ("protected.npz", b"bytes")})
    return str(response.json()["id"])


def test_a_pair_is_queued_followed_and_told(
    owner: Owner, ready_dataset: dict[str, Any], other: str
) -> None:
    asked = {
        "clean_dataset_id": ready_dataset["id"],
        "protected_dataset_id": other,
        "victims": ["resnet-18"],
        "seeds": [1, 2],
        "countermeasures": ["blur"],
        "label_map": {"cat": "dog"},
        "untargeted": "leave",
        "metadata": {"from": "elsewhere"},
    }
    response = owner.api.post("/v1/evaluations", json=asked)
    assert response.status_code == 202, response.text
    made = response.json()
    address = f"/v1/evaluations/{made['id']}"
    assert response.headers["location"] == address
    assert (made["status"], made["result"], made["metadata"]) == (
        "queued",
        None,
        {"from": "elsewhere"},
    )
    assert made["options"]["seeds"] == [1, 2]
    with transaction() as session:
        row = session.get_one(Job, made["id"])
        step = session.scalars(select(Step).where(Step.job_id == made["id"])).one()
    assert (row.kind, row.label_map) == ("evaluation", [1, 1, 2])
    assert (step.kind, step.payload) == ("compare", {"dataset_id": other})
    problem(owner.api.delete(f"/v1/datasets/{other}"), 409, "dataset_in_use")
    assert owner.api.get("/v1/jobs").json()["data"] == []
    problem(owner.api.get(f"/v1/jobs/{made['id']}"), 404, "job_not_found")

    written = EXAMPLE.model_dump(exclude={"object", "job_id"}) | {"seconds_training": None}
    with transaction() as session:
        row = lifecycle.lock_job(session, made["id"])
        lifecycle.change_job(session, row, lifecycle.RUNNING)
        lifecycle.change_job(session, row, lifecycle.SUCCEEDED)
        row.evaluation = written
    told = owner.api.get(address).json()
    assert told["result"]["worst_accuracy"] == EXAMPLE.worst_accuracy
    assert owner.api.get("/v1/evaluations").json()["data"][0]["result"] is None
    assert owner.api.get(f"{address}/artifacts").json()["data"] == []


def test_what_a_job_has_protected_is_evaluated(owner: Owner, job: dict[str, Any]) -> None:
    asked = {"clean_dataset_id": job["dataset_id"], "job_id": job["id"]}
    problem(owner.api.post("/v1/evaluations", json=asked), 409, "job_not_succeeded", "job_id")
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=owner.tenant_id,
                job_id=job["id"],
                kind="protected_dataset",
                name="protected.npz",
                content_type="application/octet-stream",
                object_key="k",
                size_bytes=1,
                sha256="0",
            )
        )
    made = owner.api.post("/v1/evaluations", json=asked).json()
    assert made["protected_dataset_id"] is None
    with transaction() as session:
        step = session.scalars(select(Step).where(Step.job_id == made["id"])).one()
    assert step.payload == {"dataset": {"name": "protected.npz", "object_key": "k"}}
    for _ in range(2):
        answer = owner.api.post(f"/v1/evaluations/{made['id']}/cancel")
        assert answer.json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"protected_dataset_id": None}, "field_invalid", None),
        ({"job_id": new_id("job")}, "field_invalid", None),
        ({"seeds": []}, "field_invalid", "seeds"),
        ({"countermeasures": ["prayer"]}, "field_invalid", "countermeasures.0"),
        ({"label_map": {"cat": "cow"}}, "label_map_unknown_class", "label_map.cat"),
        ({"epsilon": 0.3}, "field_unknown", "epsilon"),
    ],
)
def test_what_cannot_be_used_is_named(
    owner: Owner,
    ready_dataset: dict[str, Any],
    other: str,
    change: dict[str, Any],
    code: str,
    param: str | None,
) -> None:
    asked = {"clean_dataset_id": ready_dataset["id"], "protected_dataset_id": other} | change
    problem(owner.api.post("/v1/evaluations", json=asked), 422, code, param)


def test_datasets_that_are_no_pair(owner: Owner, ready_dataset: dict[str, Any], other: str) -> None:
    with transaction() as session:
        row = session.get_one(Dataset, other)
        row.summary = {**(row.summary or {}), "classes": ["a", "b", "c"]}
    asked = {"clean_dataset_id": ready_dataset["id"], "protected_dataset_id": other}
    response = owner.api.post("/v1/evaluations", json=asked)
    problem(response, 422, "datasets_do_not_pair", "protected_dataset_id")
    missing = asked | {"clean_dataset_id": new_id("ds")}
    response = owner.api.post("/v1/evaluations", json=missing)
    problem(response, 404, "dataset_not_found", "clean_dataset_id")
