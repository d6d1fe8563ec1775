"""Webhooks over HTTP: adding, changing, switching off, their secrets and the log of deliveries."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from core import lifecycle, webhooks
from core.database import transaction
from core.settings import Settings
from core.tables import IdempotencyKey, Webhook, WebhookDelivery
from service.app import create_app
from service.webhooks.problems import LIMIT
from service.webhooks.schemas import EventType
from tests.core.test_webhook_targets import NOT_PUBLIC
from tests.service.played import Owner, problem

URL = "https://hooks.example.com/in"


def add(owner: Owner, **asked: Any) -> dict[str, Any]:
    response = owner.api.post("/v1/webhooks", json={"url": URL, **asked})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"/v1/webhooks/{response.json()['id']}"
    return dict(response.json())


def deliveries(owner: Owner, webhook: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = owner.api.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def test_a_webhook_from_its_first_day_to_its_last(owner: Owner) -> None:
    made = add(owner, events=["job.failed", "job.succeeded", "job.failed"], description="a\x00b")
    assert made["secret"].startswith("whsec_")
    assert (made["events"], made["description"]) == (["job.failed", "job.succeeded"], "ab")
    address = f"/v1/webhooks/{made['id']}"
    seen = owner.api.get(address).json()
    assert seen == {name: value for name, value in made.items() if name != "secret"}
    assert owner.api.get("/v1/webhooks").json()["data"] == [seen]
    changes = {"url": "https://other.example.com/", "events": ["*"]}
    changed = owner.api.patch(address, json=changes).json()
    assert changed == seen | changes
    assert owner.api.delete(address).status_code == 204
    problem(owner.api.get(address), 404, "webhook_not_found")
    problem(owner.api.patch(address, json={}), 404, "webhook_not_found")


def test_types_are_those_that_exist() -> None:
    assert list(get_args(EventType)) == [webhooks.EVERYTHING, *webhooks.EVENTS]


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"url": "http://hooks.example.com/"}, "webhook_url_not_https", "url"),
        ({"url": "https://user@example.com/"}, "webhook_url_invalid", "url"),
        ({"url": "https://127.1/"}, "webhook_url_invalid", "url"),
        ({"url": "https://localhost/"}, "webhook_url_not_public", "url"),
        ({"url": "https://api.localhost/"}, "webhook_url_not_public", "url"),
        ({"url": "https://postgres:5432/"}, "webhook_url_not_public", "url"),
        ({"url": 7}, "field_invalid", "url"),
        ({"url": URL, "events": []}, "field_invalid", "events"),
        ({"url": URL, "events": ["job.exploded"]}, "field_invalid", "events.0"),
        ({"url": URL, "secret": "whsec_x"}, "field_unknown", "secret"),
        ({}, "field_missing", "url"),
    ],
)
def test_what_cannot_be_a_webhook_is_refused(
    owner: Owner, asked: dict[str, Any], code: str, param: str
) -> None:
    problem(owner.api.post("/v1/webhooks", json=asked), 422, code, param)
    assert owner.api.get("/v1/webhooks").json()["data"] == []


def test_no_address_of_ours_is_taken(owner: Owner) -> None:
    kept = add(owner)
    for address in NOT_PUBLIC:
        host = f"[{address}]" if ":" in address else address
        refused = owner.api.post("/v1/webhooks", json={"url": f"https://{host}/"})
        problem(refused, 422, "webhook_url_not_public", "url")
        changed = owner.api.patch(f"/v1/webhooks/{kept['id']}", json={"url": f"https://{host}/"})
        problem(changed, 422, "webhook_url_not_public", "url")


def test_networks_that_the_settings_allow_are_taken(owner: Owner, servers: Settings) -> None:
    settings = servers.model_copy(update={"webhook_private_networks": "127.0.0.0/8"})
    with TestClient(create_app(settings)) as api:
        api.headers["Authorization"] = f"Bearer {owner.key}"
        for url in ("http://127.0.0.1:9000/", "http://localhost:9000/", "https://127.0.0.1/"):
            assert api.post("/v1/webhooks", json={"url": url}).status_code == 201
        refused = api.post("/v1/webhooks", json={"url": "http://10.0.0.1/"})
        problem(refused, 422, "webhook_url_not_public", "url")


def test_there_is_an_end_to_webhooks(owner: Owner) -> None:
    for _ in range(LIMIT):
        add(owner)
    problem(owner.api.post("/v1/webhooks", json={"url": URL}), 409, "webhooks_too_many")


def test_a_secret_is_shown_once_and_kept_nowhere(owner: Owner) -> None:
    headers = {"Idempotency-Key": "once"}
    first = owner.api.post("/v1/webhooks", json={"url": URL}, headers=headers).json()
    again = owner.api.post("/v1/webhooks", json={"url": URL}, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first | {"secret": None}
    with transaction() as session:
        row = session.get_one(Webhook, first["id"])
        kept = session.scalars(
            select(IdempotencyKey.body).where(IdempotencyKey.tenant_id == owner.tenant_id)
        ).one()
    assert kept is not None
    for text in (*(str(value) for value in vars(row).values()), kept.decode()):
        assert first["secret"].removeprefix("whsec_") not in text


def test_secrets_rotate_with_a_time_of_grace(owner: Owner) -> None:
    made = add(owner)
    address = f"/v1/webhooks/{made['id']}/rotate"
    rotated = owner.api.post(address, json={"grace_seconds": 3600}).json()
    assert rotated["secret"] != made["secret"]
    until = datetime.fromisoformat(rotated["old_secret_until"])
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(hours=1)
    at_once = owner.api.post(address, json={"grace_seconds": 0}).json()
    assert at_once["old_secret_until"] is None
    refused = owner.api.post(address, json={"grace_seconds": 10**9})
    problem(refused, 422, "field_invalid", "grace_seconds")


def test_messages_are_written_with_what_they_tell_of(owner: Owner, job: dict[str, Any]) -> None:
    everything, datasets = add(owner), add(owner, events=["dataset.ready"])
    disabled = add(owner)
    owner.api.patch(f"/v1/webhooks/{disabled['id']}", json={"enabled": False})
    assert owner.api.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    [told] = deliveries(owner, everything)
    assert (told["type"], told["status"], told["attempts"]) == ("job.cancelled", "pending", [])
    assert deliveries(owner, datasets) == deliveries(owner, disabled) == []
    payload = told["payload"]
    assert (payload["id"], payload["type"]) == (told["event_id"], "job.cancelled")
    events = owner.api.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert told["event_id"] == events[-1]["id"]
    shown = owner.api.get(f"/v1/jobs/{job['id']}").json()
    moments = ("created_at", "finished_at")
    for name, value in payload["data"].items():
        if name in moments:
            assert datetime.fromisoformat(value) == datetime.fromisoformat(shown[name])
        else:
            assert value == shown[name]


def test_a_change_that_is_taken_back_tells_nobody(owner: Owner, job: dict[str, Any]) -> None:
    webhook = add(owner)
    with transaction() as session:
        lifecycle.request_cancel(session, lifecycle.lock_job(session, job["id"]))
        session.flush()
        session.rollback()
    assert deliveries(owner, webhook) == []


def test_an_evaluation_of_a_pair_goes_by_its_own_name(owner: Owner, job: dict[str, Any]) -> None:
    webhook = add(owner, events=["evaluation.cancelled"])
    dataset = job["dataset_id"]
    pair = {"clean_dataset_id": dataset, "protected_dataset_id": dataset}
    made = owner.api.post("/v1/evaluations", json=pair).json()
    owner.api.post(f"/v1/evaluations/{made['id']}/cancel")
    [told] = deliveries(owner, webhook)
    assert told["type"] == "evaluation.cancelled"
    assert (told["payload"]["data"]["object"], told["payload"]["data"]["id"]) == (
        "evaluation",
        made["id"],
    )


def test_a_test_message_and_its_log(owner: Owner) -> None:
    webhook = add(owner, events=["job.failed"])
    address = f"/v1/webhooks/{webhook['id']}"
    answer = owner.api.post(f"{address}/test")
    assert answer.status_code == 202
    made = answer.json()
    assert (made["type"], made["status"]) == ("webhook.test", "pending")
    assert owner.api.get(answer.headers["location"]).json() == made
    assert deliveries(owner, webhook) == deliveries(owner, webhook, status="pending") == [made]
    assert deliveries(owner, webhook, status="failed") == []
    unknown = owner.api.get(f"{address}/deliveries/dlv_{'0' * 26}")
    problem(unknown, 404, "delivery_not_found")
    problem(owner.api.get(f"{address}/deliveries?after=x"), 422, "cursor_invalid", "after")


def test_redelivery_begins_the_schedule_again(owner: Owner) -> None:
    webhook = add(owner)
    made = owner.api.post(f"/v1/webhooks/{webhook['id']}/test").json()
    address = f"/v1/webhooks/{webhook['id']}/deliveries/{made['id']}/redeliver"
    ended = {"status": webhooks.FAILED, "next_attempt_at": None, "finished_at": datetime.now(UTC)}
    with transaction() as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.id == made["id"])
            .values(failures=10, **ended)
        )
    again = owner.api.post(address)
    assert again.status_code == 202
    assert (again.json()["status"], again.json()["finished_at"]) == ("pending", None)
    assert datetime.fromisoformat(again.json()["next_attempt_at"]) <= datetime.now(UTC)
    with transaction() as session:
        assert session.get_one(WebhookDelivery, made["id"]).failures == 0


def test_switching_off_and_on(owner: Owner) -> None:
    webhook = add(owner)
    address = f"/v1/webhooks/{webhook['id']}"
    made = owner.api.post(f"{address}/test").json()
    off = owner.api.patch(address, json={"enabled": False}).json()
    assert (off["enabled"], off["disabled_reason"]) == (False, "owner")
    assert off["disabled_at"] is not None
    [ended] = deliveries(owner, webhook)
    assert (ended["status"], ended["next_attempt_at"]) == ("cancelled", None)
    problem(owner.api.post(f"{address}/test"), 409, "webhook_disabled")
    redeliver = f"{address}/deliveries/{made['id']}/redeliver"
    problem(owner.api.post(redeliver), 409, "webhook_disabled")
    on = owner.api.patch(address, json={"enabled": True}).json()
    assert (on["enabled"], on["disabled_at"], on["disabled_reason"]) == (True, None, None)
    assert owner.api.post(redeliver).json()["status"] == "pending"
