"""Following a job: ETags, long polls, events as a list and as a stream, series of metrics."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update

from core import lifecycle, steps
from core.database import get_engine, transaction
from core.tables import Event, MetricPoint, Step
from tests.service.played import Owner, PlayedWorker, problem
from tests.service.test_jobs import change

STREAM = {"Accept": "text/event-stream"}


def after(seconds: float, act: Callable[[], None]) -> None:
    """Do something a little later, while the test waits for an answer."""

    def run() -> None:
        time.sleep(seconds)
        act()

    ThreadPoolExecutor(1).submit(run)


def frames(text: str) -> list[dict[str, Any]]:
    """The events of a stream, by the fields of server-sent events."""
    found = []
    for block in text.split("\n\n"):
        lines = (line.split(": ", 1) for line in block.splitlines())
        fields = {name: value for name, value in lines if name}
        if "data" in fields:
            found.append(fields | {"data": json.loads(fields["data"])})
    return found


def test_what_is_known_is_not_sent_again(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/jobs/{job['id']}"
    first = owner.api.get(address)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for known in (etag, f'"other", W/{etag}', "*"):
        again = owner.api.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    change(job["id"], lifecycle.RUNNING)
    changed = owner.api.get(address, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert changed.json()["status"] == "running"


def test_a_long_poll_is_answered_when_something_changes(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/jobs/{job['id']}?wait=60"
    for status in (lifecycle.RUNNING, lifecycle.FAILED):
        after(0.3, lambda status=status: change(job["id"], status))  # type: ignore[misc]
        assert owner.api.get(address).json()["status"] == status
    # It has ended: nothing is waited for.
    assert owner.api.get(address).json()["status"] == "failed"


def test_a_long_poll_compares_with_what_the_client_has(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/jobs/{job['id']}"
    etag = owner.api.get(address).headers["etag"]
    change(job["id"], lifecycle.RUNNING)
    answer = owner.api.get(f"{address}?wait=60", headers={"If-None-Match": etag})
    assert answer.json()["status"] == "running"
    etag = answer.headers["etag"]
    answer = owner.api.get(f"{address}?wait=0.5", headers={"If-None-Match": etag})
    assert answer.status_code == 304


def test_whoever_waits_holds_no_connection(owner: Owner, job: dict[str, Any]) -> None:
    held: list[int] = []

    def watch() -> None:
        for _ in range(50):
            held.append(get_engine().pool.checkedout())  # type: ignore[attr-defined]
            time.sleep(0.02)

    after(0.2, watch)
    owner.api.get(f"/v1/jobs/{job['id']}?wait=1.5")
    # Each look at the job takes a connection, for long on a busy machine, and none is held between.
    assert min(held) == 0


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan"])
def test_bad_waits(owner: Owner, job: dict[str, Any], wait: str) -> None:
    problem(owner.api.get(f"/v1/jobs/{job['id']}?wait={wait}"), 422, "field_invalid", "wait")


def test_events_are_listed_oldest_first(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/jobs/{job['id']}/events"
    change(job["id"], lifecycle.RUNNING)
    with transaction() as session:
        lifecycle.enter_phase(session, lifecycle.lock_job(session, job["id"]), "training")
    first = owner.api.get(f"{address}?limit=2").json()
    assert [event["type"] for event in first["data"]] == ["job.created", "job.running"]
    assert first["has_more"]
    rest = owner.api.get(f"{address}?after={first['data'][-1]['id']}").json()
    (event,) = rest["data"]
    assert not rest["has_more"]
    assert (event["type"], event["level"]) == ("job.phase", "info")
    assert event["data"] == {"phase": "training"}
    assert event["message"] == "The job is training now."
    ids = [event["id"] for event in first["data"] + rest["data"]]
    assert ids == sorted(ids)


@pytest.mark.parametrize("cursor", ["1", "evt_1", "job_" + "0" * 26, "evt_" + "z" * 26])
def test_bad_cursors(owner: Owner, job: dict[str, Any], cursor: str) -> None:
    response = owner.api.get(f"/v1/jobs/{job['id']}/events", params={"after": cursor})
    problem(response, 422, "cursor_invalid", "after")


def test_a_stream_goes_on_where_it_broke_and_ends_with_the_job(
    owner: Owner, job: dict[str, Any]
) -> None:
    address = f"/v1/jobs/{job['id']}/events"

    def live() -> None:
        for status in (lifecycle.RUNNING, lifecycle.FAILED):
            change(job["id"], status)
            time.sleep(0.3)

    after(0.3, live)
    response = owner.api.get(address, headers=STREAM)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    found = frames(response.text)
    assert [frame["event"] for frame in found] == ["job.created", "job.running", "job.failed"]
    assert found == [
        {"id": event["id"], "event": event["type"], "data": event}
        for event in owner.api.get(address).json()["data"]
    ]
    assert found[-1]["data"]["level"] == "error"
    resumed = owner.api.get(address, headers=STREAM | {"Last-Event-ID": found[1]["id"]})
    assert frames(resumed.text) == found[2:]
    over = owner.api.get(address, headers=STREAM | {"Last-Event-ID": found[2]["id"]})
    assert (over.status_code, over.content) == (204, b"")


def test_events_are_bound_to_their_tenant(
    owner: Owner, new_owner: Callable[[], Owner], job: dict[str, Any]
) -> None:
    """Even a row that names another tenant's job stays with its own tenant."""
    stranger = new_owner()
    with transaction() as session:
        session.add(
            Event(tenant_id=stranger.tenant_id, subject_id=job["id"], type="job.x", data={})
        )
    found = owner.api.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert [event["type"] for event in found] == ["job.created"]
    for headers in ({}, STREAM):
        response = stranger.api.get(f"/v1/jobs/{job['id']}/events", headers=headers)
        problem(response, 404, "job_not_found")
    problem(stranger.api.get(f"/v1/jobs/{job['id']}?wait=5"), 404, "job_not_found")


def test_series_stand_side_by_side(owner: Owner, job: dict[str, Any]) -> None:
    address = f"/v1/jobs/{job['id']}/metrics"
    assert owner.api.get(address).json()["series"] == []
    clean = {"victim": "resnet-18", "seed": 1, "side": "clean"}
    points = [
        ("training", {}, {"victim_loss": 2.0}),
        ("training", {}, {"victim_loss": 1.5, "held_out_accuracy": 40.0}),
        ("evaluating", clean, {"clean_accuracy": 10.0}),
        ("evaluating", clean | {"side": "protected"}, {"protected_accuracy": 9.0}),
        ("evaluating", clean, {"clean_accuracy": 50.0}),
    ]
    with transaction() as session:
        for phase, source, metrics in points:
            session.add(
                MetricPoint(
                    tenant_id=owner.tenant_id,
                    job_id=job["id"],
                    phase=phase,
                    source=source,
                    metrics=metrics,
                )
            )
            session.flush()
    answer = owner.api.get(address)
    training, first, second = answer.json()["series"]
    assert (training["phase"], training["victim"]) == ("training", None)
    assert training["metrics"] == {"victim_loss": [2.0, 1.5], "held_out_accuracy": [None, 40.0]}
    assert len(training["at"]) == 2
    assert (first["victim"], first["seed"], first["side"]) == ("resnet-18", 1, "clean")
    assert first["metrics"] == {"clean_accuracy": [10.0, 50.0]}
    assert second["side"] == "protected"
    known = {"If-None-Match": answer.headers["etag"]}
    assert owner.api.get(address, headers=known).status_code == 304


def test_the_place_in_the_queue(new_owner: Callable[[], Owner], worker: PlayedWorker) -> None:
    """Owners take turns: a second job of one comes after the first jobs of all others."""
    with transaction() as session:
        session.execute(
            update(Step).where(Step.status == steps.QUEUED).values(status=steps.DROPPED)
        )
    owner, other = new_owner(), new_owner()
    places = []
    for someone in (other, other, other, owner, owner):
        dataset = someone.api.post("/v1/datasets", files={"file": b"x"}).json()
        asked = {"dataset_id": dataset["id"], "epsilon": 0.3}
        created = someone.api.post("/v1/jobs", json=asked).json()
        told = someone.api.get(f"/v1/jobs/{created['id']}").json()
        assert told["queue_position"] == created["queue_position"]
        assert list(told["timestamps"]) == ["queued"]
        places.append(told["queue_position"])
    assert places == [1, 2, 3, 2, 4]
