"""By when a job must have ended, as its owner says it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.service.played import Owner, problem


def test_seconds_and_moments(owner: Owner, ready_dataset: dict[str, Any]) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": 0.3}
    before = datetime.now(UTC)
    made = owner.api.post("/v1/jobs", json=asked | {"deadline": 3600}).json()
    meant = datetime.fromisoformat(made["deadline"])
    assert before + timedelta(hours=1) <= meant <= datetime.now(UTC) + timedelta(hours=1)
    assert owner.api.get(f"/v1/jobs/{made['id']}").json()["deadline"] == made["deadline"]
    in_a_day = (datetime.now(UTC) + timedelta(days=1)).astimezone(timezone(timedelta(hours=2)))
    made = owner.api.post("/v1/jobs", json=asked | {"deadline": in_a_day.isoformat()}).json()
    assert datetime.fromisoformat(made["deadline"]) == in_a_day
    assert owner.api.post("/v1/jobs", json=asked).json()["deadline"] is None
    pair = {"clean_dataset_id": asked["dataset_id"], "protected_dataset_id": asked["dataset_id"]}
    evaluation = owner.api.post("/v1/evaluations", json=pair | {"deadline": 60}).json()
    assert datetime.fromisoformat(evaluation["deadline"]) > datetime.now(UTC)


@pytest.mark.parametrize(
    ("deadline", "code"),
    [
        (0, "field_invalid"),
        (-5, "field_invalid"),
        (1.5, "field_invalid"),
        (True, "field_invalid"),
        (10**12, "field_invalid"),
        ("3600", "field_invalid"),
        ("tomorrow", "field_invalid"),
        ("2126-11-22", "field_invalid"),
        ("2126-11-22T18:00:00", "field_invalid"),
        ("2026-11-22T18:00:00Z", "deadline_out_of_range"),
        ("9999-12-31T23:59:59-23:00", "deadline_out_of_range"),
    ],
)
def test_what_is_no_moment_to_come_is_refused(
    owner: Owner, ready_dataset: dict[str, Any], deadline: object, code: str
) -> None:
    asked = {"dataset_id": ready_dataset["id"], "epsilon": 0.3, "deadline": deadline}
    for address in ("/v1/jobs", "/v1/jobs/estimate"):
        problem(owner.api.post(address, json=asked), 422, code, "deadline")


def test_an_estimate_says_whether_there_is_time(
    owner: Owner, ready_dataset: dict[str, Any]
) -> None:
    asked = {
        "dataset_id": ready_dataset["id"],
        "epsilon": 0.3,
        "recipe": "fast",
        "budget_seconds": 600,
    }
    for deadline, fits in ((None, None), (60, False), (24 * 3600, True)):
        answer = owner.api.post("/v1/jobs/estimate", json=asked | {"deadline": deadline})
        assert answer.json()["meets_deadline"] is fits
