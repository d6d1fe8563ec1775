"""Asking for jobs, following them and calling them off."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from core import lifecycle, steps
from core.database import transaction
from core.ids import new_id
from core.pools import COMPUTE
from core.problem import Problem
from core.settings import get_settings
from core.tables import Event, Job, Step
from tests.service.played import Owner, PlayedWorker, problem


def test_a_job_is_queued_with_its_first_step(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": "8/255", "seed": 7}
    response = owner.api.post("/v1/jobs", json=asked)
    job = response.json()
    assert response.status_code == 202
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["object"] == "job"
    assert job["status"] == "queued"
    assert job["epsilon"] == pytest.approx(8 / 255)
    assert job["max_change"] == 8
    assert job["label_map"] is None
    assert job["seed"] == 7
    assert job["budget_seconds"] == get_settings().default_budget_seconds
    assert job["training_steps"] is None
    assert owner.api.get(response.headers["location"]).json() == job
    with transaction() as session:
        row = session.get_one(Job, job["id"])
        step = session.scalars(select(Step).where(Step.job_id == job["id"])).one()
        event = session.scalars(select(Event).where(Event.subject_id == job["id"])).one()
    assert row.epsilon == "8/255"
    assert (step.kind, step.pool, step.status, step.payload) == ("train", COMPUTE, "queued", {})
    assert event.type == "job.created"


@pytest.mark.parametrize(
    ("asked", "stored", "shown"),
    [
        ("shift", [1, 2, 0], {"cat": "dog", "dog": "owl", "owl": "cat"}),
        (
            {"cat": "owl", "dog": "cat", "owl": "dog"},
            [2, 0, 1],
            {"cat": "owl", "dog": "cat", "owl": "dog"},
        ),
        (
            {"0": 1, "1": "owl", "owl": 0},
            [1, 2, 0],
            {"cat": "dog", "dog": "owl", "owl": "cat"},
        ),
    ],
)
def test_label_maps_are_told_by_name(
    owner: Owner,
    ready_dataset: dict[str, Any],
    asked: object,
    stored: list[int],
    shown: dict[str, str],
) -> None:
    body = {"dataset_id": ready_dataset["id"], "epsilon": 0.3, "label_map": asked}
    job = owner.api.post("/v1/jobs", json=body).json()
    assert job["label_map"] == shown
    with transaction() as session:
        assert session.get_one(Job, job["id"]).label_map == stored


@pytest.mark.parametrize(
    ("field", "value", "code", "param"),
    [
        ("epsilon", 0, "epsilon_out_of_range", "epsilon"),
        ("epsilon", -0.1, "epsilon_out_of_range", "epsilon"),
        ("epsilon", 1.01, "epsilon_out_of_range", "epsilon"),
        ("epsilon", "0.5/255", "epsilon_invalid", "epsilon"),
        ("epsilon", 0.001, "epsilon_out_of_range", "epsilon"),
        ("epsilon", "8/0", "epsilon_invalid", "epsilon"),
        ("epsilon", "", "epsilon_invalid", "epsilon"),
        ("epsilon", "NaN", "epsilon_invalid", "epsilon"),
        ("epsilon", float("nan"), "epsilon_invalid", "epsilon"),
        ("epsilon", float("inf"), "epsilon_invalid", "epsilon"),
        pytest.param("epsilon", 10**400, "epsilon_invalid", "epsilon", id="huge"),
        ("epsilon", "1e-99999999", "epsilon_invalid", "epsilon"),
        ("epsilon", True, "field_invalid", "epsilon"),
        ("epsilon", None, "field_invalid", "epsilon"),
        ("epsilon", [0.3], "field_invalid", "epsilon"),
        ("label_map", "rotate", "label_map_invalid", "label_map"),
        ("label_map", {"cat": "cow"}, "label_map_unknown_class", "label_map.cat"),
        ("label_map", {"cow": "cat"}, "label_map_unknown_class", "label_map.cow"),
        ("label_map", {"cat": 3}, "label_map_unknown_class", "label_map.cat"),
        ("label_map", {"cat": "cat"}, "label_map_identity", "label_map.cat"),
        ("label_map", {"cat": "dog"}, "label_map_incomplete", "label_map"),
        ("label_map", {}, "label_map_incomplete", "label_map"),
        ("label_map", {"cat": "dog", "0": "owl"}, "label_map_invalid", "label_map.0"),
        ("label_map", {"cat": None}, "field_invalid", "label_map.cat"),
        ("label_map", {"cat": True}, "field_invalid", "label_map.cat"),
        ("label_map", 5, "field_invalid", "label_map"),
        ("label_map", ["dog"], "label_map_incomplete", "label_map"),
        ("label_map", ["dog", "owl", "cow"], "label_map_unknown_class", "label_map.2"),
        ("label_map", ["dog", "owl", None], "field_invalid", "label_map.2"),
        ("untargeted", "leave", "untargeted_without_label_map", "untargeted"),
        ("untargeted", "spare", "field_invalid", "untargeted"),
        ("recipe", "slow", "field_invalid", "recipe"),
        ("conditioning", "labels", "field_invalid", "conditioning"),
        ("generator", "u-net", "field_invalid", "generator"),
        ("victims", ["resnet-19"], "field_invalid", "victims.0"),
        ("victims", ["random-forest"], "field_invalid", "victims.0"),
        ("victims", [], "field_invalid", "victims"),
        ("training_steps", 0, "field_invalid", "training_steps"),
        ("training_steps", 10**9, "training_steps_out_of_range", "training_steps"),
        ("protected_fraction", 0.5, "field_invalid", "protected_fraction"),
        ("protected_fraction", {}, "field_invalid", "protected_fraction"),
        ("protected_fraction", {"fraction": 0}, "field_invalid", "protected_fraction.fraction"),
        ("protected_fraction", {"fraction": 1.1}, "field_invalid", "protected_fraction.fraction"),
        ("protected_fraction", {"classes": []}, "field_invalid", "protected_fraction.classes"),
        (
            "protected_fraction",
            {"classes": ["cow"]},
            "class_unknown",
            "protected_fraction.classes.0",
        ),
        (
            "protected_fraction",
            {"fraction": 1, "classes": [0]},
            "field_invalid",
            "protected_fraction",
        ),
        ("evaluation", {"victims": ["x"]}, "field_invalid", "evaluation.victims.0"),
        (
            "evaluation",
            {"victims": [{"victim": "vgg-11", "epochs": 0}]},
            "field_invalid",
            "evaluation.victims.0.epochs",
        ),
        ("evaluation", {"seeds": [1, 1]}, "field_invalid", "evaluation"),
        ("evaluation", {"seeds": [-1]}, "field_invalid", "evaluation.seeds.0"),
        (
            "evaluation",
            {"countermeasures": ["none"]},
            "field_invalid",
            "evaluation.countermeasures.0",
        ),
        ("evaluation", {"controls": ["noise"]}, "field_invalid", "evaluation.controls.0"),
        ("evaluation", {"epochs": 3}, "field_unknown", "evaluation.epochs"),
        ("metadata", {"release": 7}, "field_invalid", "metadata.release"),
        ("metadata", {str(i): "x" for i in range(17)}, "field_invalid", "metadata"),
        ("metadata", {"release": "x" * 513}, "field_invalid", "metadata.release"),
        ("seed", -1, "field_invalid", "seed"),
        ("seed", 2**31, "field_invalid", "seed"),
        ("seed", 1.5, "field_invalid", "seed"),
        ("seed", "1", "field_invalid", "seed"),
        ("seed", float("nan"), "field_invalid", "seed"),
        ("priority", 11, "field_invalid", "priority"),
        ("priority", "high", "field_invalid", "priority"),
        ("budget_seconds", 0, "field_invalid", "budget_seconds"),
        ("budget_seconds", 10**9, "budget_out_of_range", "budget_seconds"),
        ("dataset_id", 5, "field_invalid", "dataset_id"),
        ("dataset_id", "ds_" + "0" * 200, "field_invalid", "dataset_id"),
        ("epsilom", 0.3, "field_unknown", "epsilom"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    owner: Owner,
    ready_dataset: dict[str, Any],
    field: str,
    value: object,
    code: str,
    param: str,
) -> None:
    body = {"dataset_id": ready_dataset["id"], "epsilon": 0.3} | {field: value}
    # As text, because clients refuse to send NaN and the server must not trust them to.
    response = owner.api.post(
        "/v1/jobs", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    problem(response, 422, code, param)
    assert owner.api.get("/v1/jobs").json()["data"] == []


def test_everything_that_can_be_asked_for_is_kept_and_told(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    asked = {
        "dataset_id": ready_dataset["id"],
        "epsilon": 0.3,
        "label_map": {"cat": "owl"},
        "untargeted": "leave",
        "recipe": "paper-mnist",
        "training_steps": 40,
        "conditioning": "label",
        "generator": "unet",
        "victims": ["small-strided", "paper-mnist-cnn"],
        "protected_fraction": {"classes": ["owl", 0]},
        "evaluation": {
            "victims": ["random-forest", {"victim": "resnet-18", "epochs": 2}],
            "seeds": [3, 4],
            "countermeasures": ["jpeg-10"],
            "controls": ["class-patterns"],
        },
        "metadata": {"release": "2026-11"},
    }
    job = owner.api.post("/v1/jobs", json=asked).json()
    for name in ("untargeted", "recipe", "training_steps", "conditioning", "generator", "victims"):
        assert job[name] == asked[name]
    assert job["label_map"] == {"cat": "owl"}
    assert job["metadata"] == asked["metadata"]
    assert job["budget_seconds"] is None
    assert job["protected_fraction"]["classes"] == ["cat", "owl"]
    assert job["evaluation"]["victims"][1]["epochs"] == 2
    assert job["evaluation"]["countermeasure_victims"] == 1
    with transaction() as session:
        row = session.get_one(Job, job["id"])
    assert row.label_map == [2, 1, 2]
    assert row.options["protected_fraction"]["classes"] == [0, 2]


def test_a_training_is_measured_in_seconds_or_in_steps(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": 0.3, "budget_seconds": 5}
    response = owner.api.post("/v1/jobs", json=asked | {"training_steps": 5})
    problem(response, 422, "training_length_ambiguous", "training_steps")


@pytest.mark.parametrize("missing", ["dataset_id", "epsilon"])
def test_missing_fields_are_named(owner: Owner, missing: str) -> None:
    body = {"dataset_id": new_id("ds"), "epsilon": 0.3}
    del body[missing]
    problem(owner.api.post("/v1/jobs", json=body), 422, "field_missing", missing)


def test_every_field_at_fault_is_listed(owner: Owner) -> None:
    response = owner.api.post("/v1/jobs", json={"epsilon": None, "seed": -1})
    body = problem(response, 422, "field_missing", "dataset_id")
    assert [error["param"] for error in body["errors"]] == ["dataset_id", "epsilon", "seed"]


@pytest.mark.parametrize("dataset_id", ["ds_" + "0" * 26, "nothing", "ds_\x00", "ds_" + "u" * 26])
def test_unknown_dataset(owner: Owner, dataset_id: str) -> None:
    response = owner.api.post("/v1/jobs", json={"dataset_id": dataset_id, "epsilon": 0.3})
    problem(response, 404, "dataset_not_found", "dataset_id")


def test_dataset_that_is_not_ready(owner: Owner) -> None:
    response = owner.api.post(
        "/v1/datasets", files={"file": b"x"}, headers={"Prefer": "respond-async"}
    )
    asked = {"dataset_id": response.json()["id"], "epsilon": 0.3}
    response = owner.api.post("/v1/jobs", json=asked)
    problem(response, 409, "dataset_not_ready", "dataset_id")
    assert response.headers["x-should-retry"] == "true"
    with transaction() as session:
        dataset = lifecycle.lock_dataset(session, asked["dataset_id"])
        assert dataset is not None
        lifecycle.change_dataset(
            session, dataset, lifecycle.REJECTED, Problem("image_truncated", "It ends early.", "a")
        )
    response = owner.api.post("/v1/jobs", json=asked)
    problem(response, 409, "dataset_not_ready", "dataset_id")
    assert response.headers["x-should-retry"] == "false"
    error = owner.api.get(f"/v1/datasets/{asked['dataset_id']}").json()["error"]
    assert error == {
        "code": "image_truncated",
        "message": "It ends early.",
        "param": "a",
        "retryable": False,
        "hint": None,
    }


def test_a_queued_job_is_cancelled_at_once_and_for_good(owner: Owner, job: dict[str, Any]) -> None:
    for _ in range(2):
        response = owner.api.post(f"/v1/jobs/{job['id']}/cancel")
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert response.json()["finished_at"]
    with transaction() as session:
        step = session.scalars(select(Step).where(Step.job_id == job["id"])).one()
    assert step.status == steps.DROPPED


def test_a_running_job_is_told_to_stop(owner: Owner, job: dict[str, Any]) -> None:
    change(job["id"], lifecycle.RUNNING)
    with transaction() as session:
        session.execute(update(Step).where(Step.job_id == job["id"]).values(status=steps.RUNNING))
    for _ in range(2):
        response = owner.api.post(f"/v1/jobs/{job['id']}/cancel")
        assert response.status_code == 200
        assert response.json()["status"] == "cancelling"
    with transaction() as session:
        assert session.get_one(Job, job["id"]).cancel_requested_at is not None


@pytest.mark.parametrize("end", [lifecycle.SUCCEEDED, lifecycle.FAILED])
def test_a_finished_job_cannot_be_cancelled(owner: Owner, job: dict[str, Any], end: str) -> None:
    change(job["id"], lifecycle.RUNNING)
    change(job["id"], end)
    response = owner.api.post(f"/v1/jobs/{job['id']}/cancel")
    problem(response, 409, "job_already_finished")
    assert response.headers["x-should-retry"] == "false"


def test_a_job_rests_and_goes_on(owner: Owner, job: dict[str, Any]) -> None:
    for call, status in (("pause", "paused"), ("resume", "queued")):
        for _ in range(2):
            response = owner.api.post(f"/v1/jobs/{job['id']}/{call}")
            assert (response.status_code, response.json()["status"]) == (200, status)
    with transaction() as session:
        step = session.scalars(select(Step).where(Step.job_id == job["id"])).one()
        types = session.scalars(
            select(Event.type).where(Event.subject_id == job["id"]).order_by(Event.id)
        ).all()
    assert step.status == steps.QUEUED
    assert types == ["job.created", "job.pausing", "job.paused", "job.queued"]


def test_a_paused_job_is_cancelled_at_once(owner: Owner, job: dict[str, Any]) -> None:
    owner.api.post(f"/v1/jobs/{job['id']}/pause")
    assert owner.api.post(f"/v1/jobs/{job['id']}/cancel").json()["status"] == "cancelled"
    for call in ("pause", "resume"):
        response = owner.api.post(f"/v1/jobs/{job['id']}/{call}")
        problem(response, 409, "job_already_finished")
        assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("call", ["pause", "resume"])
def test_what_is_being_cancelled_cannot_rest(owner: Owner, job: dict[str, Any], call: str) -> None:
    change(job["id"], lifecycle.RUNNING)
    change(job["id"], lifecycle.CANCELLING)
    problem(owner.api.post(f"/v1/jobs/{job['id']}/{call}"), 409, "job_being_cancelled")


@pytest.mark.parametrize("call", ["pause", "resume", "cancel"])
def test_nobody_changes_the_job_of_another(
    new_owner: Callable[[], Owner], job: dict[str, Any], call: str
) -> None:
    problem(new_owner().api.post(f"/v1/jobs/{job['id']}/{call}"), 404, "job_not_found")


def test_priority_is_kept_for_every_step(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": 0.3, "priority": -3}
    job = owner.api.post("/v1/jobs", json=asked).json()
    assert job["priority"] == -3
    with transaction() as session:
        assert session.scalars(select(Step.priority).where(Step.job_id == job["id"])).one() == -3


def test_a_running_job_tells_how_far_it_is(owner: Owner, job: dict[str, Any]) -> None:
    change(job["id"], lifecycle.RUNNING)
    with transaction() as session:
        row = lifecycle.lock_job(session, job["id"])
        lifecycle.enter_phase(session, row, "training")
        row.progress = 0.25
        row.metrics = {"victim_loss": 1.5}
    told = owner.api.get(f"/v1/jobs/{job['id']}").json()
    assert (told["status"], told["phase"], told["progress"]) == ("running", "training", 0.25)
    assert told["metrics"] == {"victim_loss": 1.5}
    assert told["started_at"].endswith("Z")


def test_jobs_are_listed_page_by_page(new_owner: Callable[[], Owner], worker: PlayedWorker) -> None:
    owner, other = new_owner(), new_owner()
    for someone in (owner, other):
        dataset = someone.api.post("/v1/datasets", files={"file": b"x"}).json()
        for _ in range(3):
            someone.api.post("/v1/jobs", json={"dataset_id": dataset["id"], "epsilon": 0.3})
    first = owner.api.get("/v1/jobs", params={"limit": 2}).json()
    assert (first["object"], first["has_more"], len(first["data"])) == ("list", True, 2)
    last = first["data"][-1]["id"]
    rest = owner.api.get("/v1/jobs", params={"limit": 2, "after": last}).json()
    assert (rest["has_more"], len(rest["data"])) == (False, 1)
    ids = [job["id"] for job in first["data"] + rest["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "field_invalid", "limit"),
        ("limit=101", "field_invalid", "limit"),
        ("limit=ten", "field_invalid", "limit"),
        ("after=job_%00", "cursor_invalid", "after"),
        ("after=1", "cursor_invalid", "after"),
    ],
)
@pytest.mark.parametrize("noun", ["jobs", "datasets"])
def test_bad_pages(owner: Owner, noun: str, query: str, code: str, param: str) -> None:
    problem(owner.api.get(f"/v1/{noun}?{query}"), 422, code, param)


def change(job_id: str, status: str) -> None:
    with transaction() as session:
        lifecycle.change_job(session, lifecycle.lock_job(session, job_id), status)
