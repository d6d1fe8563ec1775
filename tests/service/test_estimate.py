"""How long a job would take, without starting it."""

from typing import Any

import pytest
from sqlalchemy import delete, func, select

from core import speeds
from core.database import transaction
from core.tables import Dataset, Job, Speed, Step
from tests.service.played import Owner, problem


@pytest.fixture(autouse=True)
def _nothing_measured(owner: Owner) -> None:
    with transaction() as session:
        session.execute(delete(Speed))


def test_an_estimate_follows_what_was_measured_and_starts_nothing(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    def ask(**more: Any) -> dict[str, Any]:
        asked = {"dataset_id": ready_dataset["id"], "epsilon": 0.3} | more
        response = owner.api.post("/v1/jobs/estimate", json=asked)
        assert response.status_code == 200, response.text
        return dict(response.json())

    with transaction() as session:
        before = session.scalar(select(func.count()).select_from(Step))
    first = ask(budget_seconds=30)
    # Clean and protected, JPEG and class-mean subtraction; grayscale means nothing for gray images.
    assert (first["trainings"], first["measured"]) == (4, False)
    # Such images train for 400 steps at most, unless they are steered; one second a million values.
    assert first["seconds"]["training"] == pytest.approx(400 * 64 * 784 / 1e6, abs=0.1)
    steered = ask(budget_seconds=30, label_map={"dog": "owl"}, untargeted="confuse")
    assert steered["seconds"]["training"] == 30
    assert first["total_seconds"] == pytest.approx(sum(first["seconds"].values()), abs=0.2)
    more = ask(
        evaluation={
            "seeds": [0, 1],
            "countermeasures": ["blur"],
            "controls": ["random-noise"],
            "clean_under_countermeasures": True,
        },
        protected_fraction={"fraction": 0.5},
    )
    # Clean, protected, the rest and noise; with blur on clean and protected; each twice.
    assert more["trainings"] == 2 * (4 + 2)
    assert more["seconds"]["evaluating"] > first["seconds"]["evaluating"]

    with transaction() as session:
        for name in ("train/auto", "protect", "evaluate/paper-mnist-cnn", "report"):
            for seconds in (100.0, 100.0):
                speeds.note(session, name, 1.0, seconds)
    # 64 images of 28 x 28 a step, 100 seconds a million values.
    steps = ask(training_steps=10)
    assert steps["measured"] is True
    assert steps["seconds"]["training"] == pytest.approx(10 * 64 * 784 / 1e6 * 100, abs=0.1)
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Step)) == before
        assert session.scalar(select(Job.id).where(Job.tenant_id == owner.tenant_id)) is None


def test_textures_take_no_training_unless_a_generator_is_to_learn(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    with transaction() as session:
        dataset = session.get_one(Dataset, ready_dataset["id"])
        assert dataset.summary is not None
        dataset.summary = dataset.summary | {"image_shape": [32, 32, 3]}
        for name in ("protect", "evaluate/five-conv-cnn", "report"):
            speeds.note(session, name, 1.0, 1.0)

    def ask(**more: Any) -> dict[str, Any]:
        asked = {"dataset_id": ready_dataset["id"], "epsilon": "8/255", "budget_seconds": 30} | more
        return dict(owner.api.post("/v1/jobs/estimate", json=asked).json())

    drawn = ask()
    assert (drawn["seconds"]["training"], drawn["measured"]) == (0, True)
    for wish in ({"recipe": "robust"}, {"generator": "unet"}, {"label_map": "shift"}):
        trained = ask(**wish)
        assert (trained["seconds"]["training"], trained["measured"]) == (30, False)


def test_it_refuses_what_a_job_is_refused_for(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": 2}
    response = owner.api.post("/v1/jobs/estimate", json=asked)
    problem(response, 422, "epsilon_out_of_range", "epsilon")


def test_newer_measurements_count_more(owner: Owner) -> None:
    with transaction() as session:
        for seconds in (10.0, 20.0):
            speeds.note(session, "protect", 2.0, seconds)
    with transaction() as session:
        known = speeds.known(session)
    assert known == {"protect": pytest.approx(5 + speeds.NEWEST * 5)}
    assert speeds.pace(known, "evaluate/unheard-of") == speeds.DEFAULTS["evaluate"]
    assert speeds.pace({"evaluate/x": 3.0}, "evaluate/x") == 3.0
