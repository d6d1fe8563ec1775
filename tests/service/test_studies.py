"""Studies: what is queued, what follows, and the curve; the results of their jobs are made up."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete, select

from core import lifecycle, quotas
from core.database import transaction
from core.ids import new_id
from core.problem import Problem
from core.settings import Settings
from core.tables import Generator, Job, Step, Tenant
from tests.locks import wait_until_blocking
from tests.service.played import Owner, problem
from worker.studies import advance_studies

SEEDS = [90.0, 92.0]
FAILED = Problem("out_of_memory", "Too large.")


def ask(owner: Owner, dataset: dict[str, Any], **wishes: object) -> dict[str, Any]:
    answer = owner.api.post("/v1/studies", json={"dataset_id": dataset["id"], **wishes})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/studies/{answer.json()['id']}"
    return dict(answer.json())


def jobs_of(study: dict[str, Any]) -> list[Job]:
    with transaction() as session:
        query = select(Job).where(Job.parent_id == study["id"]).order_by(Job.id)
        return list(session.scalars(query))


def finish(job_id: str, accuracy: float) -> None:
    """End a job as its steps would, with a victim that reaches this accuracy."""

    def row(trained_on: str, *accuracies: float) -> dict[str, Any]:
        about = {"victim": "paper-mnist-cnn", "countermeasure": "none"}
        return {"trained_on": trained_on, "accuracies": list(accuracies), **about}

    with transaction() as session:
        job = lifecycle.lock_job(session, job_id)
        lifecycle.change_job(session, job, lifecycle.RUNNING)
        rows = [row("clean", *SEEDS), row("protected", accuracy, accuracy + 2)]
        if job.options["protected_fraction"]:
            rows.append(row("remainder", 80.0, 82.0))
        job.evaluation = {
            "rows": rows,
            "baseline_accuracy": 91.0,
            "protected_accuracy": accuracy + 1,
            "chance_accuracy": 33.3,
            "linf": 51,
        }
        lifecycle.change_job(session, job, lifecycle.SUCCEEDED)
        if job.kind == "protection":
            session.add(
                Generator(
                    id=new_id("gen"),
                    tenant_id=job.tenant_id,
                    job_id=job.id,
                    object_key="k",
                    size_bytes=1,
                    sha256="",
                    training={},
                )
            )


def wait_for_end(owner: Owner, study: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        told: dict[str, Any] = owner.api.get(f"/v1/studies/{study['id']}").json()
        if told["status"] in lifecycle.FINAL:
            return told
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_study_is_jobs_a_table_and_two_curves(
    owner: Owner, ready_dataset: dict[str, Any], servers: Settings
) -> None:
    wishes = {"epsilons": [0.2, "1/10"], "fractions": [1.0, 0.5], "training_steps": 2}
    study = ask(owner, ready_dataset, **wishes, metadata={"figure": "4"})
    assert [(p["epsilon"], p["fraction"], p["status"]) for p in study["points"]] == [
        (0.1, 0.5, "queued"),
        (0.1, 1.0, "waiting"),
        (0.2, 0.5, "queued"),
        (0.2, 1.0, "waiting"),
    ]
    low, high = jobs_of(study)
    assert {(job.kind, job.priority) for job in (low, high)} == {("protection", -10)}
    listed = owner.api.get("/v1/jobs").json()["data"]
    assert {one["parent_id"] for one in listed} == {study["id"]}
    assert {one["metadata"]["figure"] for one in listed} == {"4"}

    finish(low.id, 60.0)
    advance_studies(servers)
    advance_studies(servers)  # twice at once adds nothing
    *_, more = jobs_of(study)
    assert (len(jobs_of(study)), more.kind, more.epsilon) == (3, "application", low.epsilon)
    told = owner.api.get(f"/v1/studies/{study['id']}").json()
    assert told["status"] == "running"
    assert 0.2 < told["progress"] < 0.3
    point = told["points"][0]
    assert point["protected_accuracies"] == [60.0, 62.0]
    assert (point["remainder_accuracy"], point["baseline_accuracy"]) == (81.0, 91.0)
    assert told["points"][3]["status"] == "waiting"

    finish(more.id, 40.0)
    finish(high.id, 30.0)
    advance_studies(servers)
    with transaction() as session:
        last = jobs_of(study)[-1]
        lifecycle.change_job(session, lifecycle.lock_job(session, last.id), "failed", FAILED)
    advance_studies(servers)
    told = wait_for_end(owner, study)
    assert told["status"] == "succeeded", told["error"]
    assert [p["status"] for p in told["points"]] == ["succeeded"] * 3 + ["failed"]
    made = owner.api.get(f"/v1/studies/{study['id']}/artifacts").json()["data"]
    assert {one["name"] for one in made} == {
        "figure-fraction.pdf",
        "figure-fraction.png",
        "study.json",
    }
    (listed_study,) = owner.api.get("/v1/studies").json()["data"]
    assert listed_study["points"] is None


def test_a_study_without_any_result_has_failed(
    owner: Owner, ready_dataset: dict[str, Any], servers: Settings
) -> None:
    study = ask(owner, ready_dataset, epsilons=[0.1, 0.2], fractions=[0.5, 1.0])
    for job in jobs_of(study):
        with transaction() as session:
            lifecycle.change_job(session, lifecycle.lock_job(session, job.id), "failed", FAILED)
    advance_studies(servers)
    told = owner.api.get(f"/v1/studies/{study['id']}").json()
    assert (told["status"], told["error"]["code"]) == ("failed", "study_failed")
    assert {point["status"] for point in told["points"]} == {"failed"}


def test_a_cancelled_study_begins_nothing_more(
    owner: Owner, ready_dataset: dict[str, Any], servers: Settings
) -> None:
    study = ask(owner, ready_dataset, epsilons=[0.1, 0.2], fractions=[0.5, 1.0])
    done, _ = jobs_of(study)
    finish(done.id, 10.0)
    for _ in range(2):
        answer = owner.api.post(f"/v1/studies/{study['id']}/cancel")
        assert answer.json()["status"] == "cancelled"
    advance_studies(servers)
    assert {job.status for job in jobs_of(study)} == {"succeeded", "cancelled"}
    with transaction() as session:
        left = session.scalars(
            select(Step).join(Job, Job.id == Step.job_id).where(Job.parent_id == study["id"])
        )
        assert {step.status for step in left} == {"dropped"}


def test_a_study_takes_no_more_places_than_its_owner_has(
    owner: Owner, ready_dataset: dict[str, Any], servers: Settings
) -> None:
    with transaction() as session:
        session.get_one(Tenant, owner.tenant_id).quotas = {quotas.JOBS: 2}
    study = ask(owner, ready_dataset, epsilons=[0.1], fractions=[0.25, 0.5, 1.0])
    finish(jobs_of(study)[0].id, 10.0)
    for count in (2, 3):
        for _ in range(2):
            advance_studies(servers)
            assert len(jobs_of(study)) == count
        finish(jobs_of(study)[-1].id, 10.0)


def test_a_generator_that_is_being_deleted_is_not_applied(
    owner: Owner, ready_dataset: dict[str, Any], servers: Settings
) -> None:
    study = ask(owner, ready_dataset, epsilons=[0.1], fractions=[0.25, 0.5, 1.0])
    [first] = jobs_of(study)
    finish(first.id, 10.0)
    mine = Generator.job_id == first.id
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.execute(select(Generator.id).where(mine).with_for_update())
            advancing = pool.submit(advance_studies, servers)
            wait_until_blocking(session)
            session.execute(delete(Generator).where(mine))
        advancing.result(60)
    assert [job.id for job in jobs_of(study)] == [first.id]
    told = owner.api.get(f"/v1/studies/{study['id']}").json()
    assert (told["status"], told["error"]["code"]) == ("failed", "generator_not_found")


@pytest.mark.parametrize(
    ("wishes", "code", "param"),
    [
        ({"epsilons": [0.1]}, "too_few_points", "epsilons"),
        ({"epsilons": [0.1, "1/10"]}, "points_repeated", "epsilons"),
        ({"epsilons": [0.1], "fractions": [0.5, 0.5]}, "points_repeated", "fractions"),
        (
            {"epsilons": [k / 20 for k in range(1, 7)], "fractions": [k / 5 for k in range(1, 6)]},
            "too_many_points",
            "epsilons",
        ),
        ({"epsilons": [0.1, 2]}, "epsilon_out_of_range", "epsilon"),
        ({"epsilons": [0.1, 0.2], "fractions": [0]}, "field_invalid", "fractions.0"),
        (
            {"epsilons": [0.1, 0.2], "training_steps": 5, "budget_seconds": 5},
            "training_length_ambiguous",
            "training_steps",
        ),
    ],
)
def test_what_is_no_study_is_refused(
    owner: Owner, ready_dataset: dict[str, Any], wishes: dict[str, Any], code: str, param: str
) -> None:
    asked = {"dataset_id": ready_dataset["id"], **wishes}
    problem(owner.api.post("/v1/studies", json=asked), 422, code, param)
