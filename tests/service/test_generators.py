"""Generators: looking at them, protecting with them, deleting them."""

from typing import Any

import pytest
from sqlalchemy import select

from core import lifecycle
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix
from core.tables import Artifact, Dataset, Generator, Job, Step
from tests.service.played import Owner, problem


@pytest.fixture
def generator(owner: Owner, job: dict[str, Any], store: ObjectStore) -> str:
    """A generator that the job has trained, with its weights in the store."""
    key = job_prefix(owner.tenant_id, job["id"]) + "attempts/x/generator.safetensors"
    store.put_bytes(key, b"weights")
    with transaction() as session:
        row = Generator(
            id=new_id("gen"),
            tenant_id=owner.tenant_id,
            job_id=job["id"],
            object_key=key,
            size_bytes=7,
            sha256="0",
            training={
                "plan": {"generator": "unet", "conditioning": "label"},
                "summary": {"steps": 40},
                "seconds": 1.5,
            },
        )
        session.add(row)
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=owner.tenant_id,
                job_id=job["id"],
                kind="generator",
                name="generator.safetensors",
                content_type="application/octet-stream",
                object_key=key,
                size_bytes=7,
                sha256="0",
            )
        )
        return row.id


def test_a_generator_tells_what_it_is(owner: Owner, generator: str, job: dict[str, Any]) -> None:
    told = owner.api.get(f"/v1/generators/{generator}").json()
    assert (told["job_id"], told["architecture"], told["max_change"]) == (job["id"], "unet", 8)
    assert (told["classes"], told["training_steps"]) == (["cat", "dog", "owl"], 40)
    assert "X-Amz-Signature" in told["weights"]["url"]
    (listed,) = owner.api.get("/v1/generators").json()["data"]
    assert listed["id"] == generator


def test_it_protects_a_dataset_without_training(
    owner: Owner, generator: str, job: dict[str, Any], ready_dataset: dict[str, Any]
) -> None:
    asked = {
        "dataset_id": ready_dataset["id"],
        "protected_fraction": {"classes": ["owl"]},
        "evaluation": {"countermeasures": ["jpeg-10"]},
        "metadata": {"round": "2"},
    }
    response = owner.api.post(f"/v1/generators/{generator}/protect", json=asked)
    assert response.status_code == 202
    made = response.json()
    assert response.headers["location"] == f"/v1/jobs/{made['id']}"
    assert (made["kind"], made["generator_id"]) == ("application", generator)
    assert (made["epsilon"], made["metadata"]) == (job["epsilon"], {"round": "2"})
    assert made["protected_fraction"]["classes"] == ["owl"]
    with transaction() as session:
        step = session.scalars(select(Step).where(Step.job_id == made["id"])).one()
    assert step.kind == "protect"
    assert {one["id"] for one in owner.api.get("/v1/jobs").json()["data"]} >= {made["id"]}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"classes": ["cat", "dog", "eel"]}, "classes_differ"),
        ({"image_shape": [28, 28, 3]}, "channels_differ"),
    ],
)
def test_what_does_not_fit_is_refused(
    owner: Owner, generator: str, ready_dataset: dict[str, Any], change: Any, code: str
) -> None:
    other = owner.api.post("/v1/datasets", files={"file": ("x.npz", b"bytes")}).json()["id"]
    with transaction() as session:
        row = session.get_one(Dataset, other)
        row.summary = {**(row.summary or {}), **change}
    response = owner.api.post(f"/v1/generators/{generator}/protect", json={"dataset_id": other})
    problem(response, 422, code, "dataset_id")


def test_a_generator_in_use_stays_and_one_that_is_not_goes(
    owner: Owner, generator: str, ready_dataset: dict[str, Any], store: ObjectStore
) -> None:
    asked = {"dataset_id": ready_dataset["id"]}
    made = owner.api.post(f"/v1/generators/{generator}/protect", json=asked).json()
    problem(owner.api.delete(f"/v1/generators/{generator}"), 409, "generator_in_use")
    owner.api.post(f"/v1/jobs/{made['id']}/cancel")
    with transaction() as session:
        row = session.get_one(Generator, generator)
    assert owner.api.delete(f"/v1/generators/{generator}").status_code == 204
    assert list(store.keys(row.object_key)) == []
    problem(owner.api.get(f"/v1/generators/{generator}"), 404, "generator_not_found")
    with transaction() as session:
        assert session.scalar(select(Artifact).where(Artifact.object_key == row.object_key)) is None
        assert session.get_one(Job, made["id"]).status == lifecycle.CANCELLED
