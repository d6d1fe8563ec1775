"""The audit log: who did what. That every change leaves an event, `DocumentedAnswers` asserts."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.database import transaction
from core.settings import Settings
from tests.service.played import Owner, problem
from worker.erasure import erase_datasets

LOG = "/v1/audit_events"


def test_what_was_done_and_by_whom(owner: Owner, job: dict[str, Any], servers: Settings) -> None:
    made = owner.api.post("/v1/api_keys", json={"name": "zebra", "scopes": ["jobs:write"]}).json()
    by = {"Authorization": f"Bearer {made['secret']}", "X-Request-ID": "trace-9"}
    owner.api.post(f"/v1/jobs/{job['id']}/cancel", headers=by)
    address = f"/v1/datasets/{job['dataset_id']}"
    owner.api.patch(address, json={"retention_seconds": 3600})
    owner.api.post(f"{address}/erase")
    erase_datasets(servers.model_copy(update={"lease_seconds": 0}))
    events = owner.api.get(LOG).json()["data"]
    assert [event["action"] for event in events] == [
        "dataset.erased",
        "dataset.erasure_requested",
        "dataset.updated",
        "job.cancelled",
        "api_key.created",
        "job.created",
        "dataset.created",
        "api_key.created",
    ]
    assert [event["actor"]["type"] for event in events] == ["system", *["api_key"] * 6, "operator"]
    cancelled = events[3]
    assert cancelled["actor"]["api_key_id"] == made["id"]
    assert (cancelled["object_id"], cancelled["request_id"]) == (job["id"], "trace-9")
    assert events[2]["details"] == {"retention_seconds": 3600}
    assert (events[0]["request_id"], events[0]["actor"]["api_key_id"]) == (None, None)
    told = owner.api.get(LOG).text
    for word in ("zebra", made["secret"], "digits"):
        assert word not in told


def test_a_page_at_a_time_and_one_object(owner: Owner, job: dict[str, Any]) -> None:
    first = owner.api.get(LOG, params={"limit": 2}).json()
    assert first["has_more"]
    rest = owner.api.get(LOG, params={"after": first["data"][-1]["id"]}).json()
    assert [event["action"] for event in rest["data"]] == ["api_key.created"]
    of_job = owner.api.get(LOG, params={"object_id": job["id"]}).json()["data"]
    assert [event["action"] for event in of_job] == ["job.created"]
    problem(owner.api.get(LOG, params={"object_id": "'"}), 422, "field_invalid", "object_id")
    problem(owner.api.get(LOG, params={"after": job["id"]}), 422, "cursor_invalid", "after")


def test_strangers_read_nothing(
    owner: Owner, job: dict[str, Any], new_owner: Callable[[], Owner]
) -> None:
    stranger = new_owner()
    assert stranger.api.get(LOG, params={"object_id": job["id"]}).json()["data"] == []


def test_what_failed_leaves_no_event(owner: Owner, job: dict[str, Any]) -> None:
    before = owner.api.get(LOG).json()
    owner.api.delete(f"/v1/datasets/{job['dataset_id']}")
    owner.api.post("/v1/jobs", json={"dataset_id": job["dataset_id"], "epsilon": 2})
    assert owner.api.get(LOG).json() == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET action = 'job.created'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
    ],
)
def test_the_database_refuses_to_change_it(owner: Owner, change: str) -> None:
    with pytest.raises(DBAPIError, match="never changed"), transaction() as session:
        session.execute(text(change))
