"""Making, rotating and revoking keys, and what a key cannot give."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core.api_keys import add
from core.database import transaction
from core.ids import new_id
from core.tables import ApiKey, IdempotencyKey
from tests.service.played import Owner, problem

KEYS = "/v1/api_keys"
Json = dict[str, Any]


def make(owner: Owner, by: str | None = None, **asked: Any) -> Json:
    answer = owner.api.post(KEYS, json={"name": "n", **asked}, headers=bearer(by or owner.key))
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    assert answer.headers["location"] == f"{KEYS}/{made['id']}"
    return made


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def change(key_id: str, **columns: Any) -> None:
    with transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.id == key_id).values(**columns))


def opens(owner: Owner, secret: str) -> bool:
    return owner.api.get("/v1/jobs", headers=bearer(secret)).status_code == 200


def test_a_secret_is_shown_once_and_not_kept(owner: Owner) -> None:
    made = make(owner, scopes=["jobs:read", "jobs:read"], expires_in=3600)
    secret = made.pop("secret")
    assert opens(owner, secret)
    assert made["scopes"] == ["jobs:read"]
    assert made["hint"] == f"{secret[:7]}...{secret[-4:]}"
    ends = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert timedelta(seconds=3500) < ends < timedelta(seconds=3700)
    seen = owner.api.get(f"{KEYS}/{made['id']}").json()
    assert seen | {"last_used_at": None} == made
    listed = owner.api.get(KEYS).json()["data"]
    assert len(listed) == 2
    assert listed[0]["id"] == made["id"]
    with transaction() as session:
        row = session.get_one(ApiKey, made["id"])
    assert secret not in repr(vars(row))


def test_a_repeated_request_makes_one_key_and_shows_no_secret(owner: Owner) -> None:
    once = {"Idempotency-Key": new_id("a")}
    first, again = (owner.api.post(KEYS, json={"name": "n"}, headers=once) for _ in range(2))
    assert again.json() == first.json() | {"secret": None}
    with transaction() as session:
        kept = session.scalars(
            select(IdempotencyKey.body).where(IdempotencyKey.tenant_id == owner.tenant_id)
        ).all()
    assert first.json()["secret"].encode() not in b"".join(body or b"" for body in kept)


def test_a_rotated_key_has_another_secret(owner: Owner) -> None:
    made = make(owner)
    turned = owner.api.post(f"{KEYS}/{made['id']}/rotate", json={}).json()
    assert turned["id"] == made["id"]
    assert turned["previous_secret_expires_at"] is None
    assert opens(owner, turned["secret"])
    problem(owner.api.get("/v1/jobs", headers=bearer(made["secret"])), 401, "api_key_invalid")


def test_the_old_secret_may_work_for_a_while(owner: Owner) -> None:
    made = make(owner)
    first, second = (
        owner.api.post(f"{KEYS}/{made['id']}/rotate", json={"grace_seconds": 60}).json()
        for _ in range(2)
    )
    assert second["previous_secret_expires_at"]
    assert opens(owner, second["secret"])
    assert opens(owner, first["secret"])
    assert not opens(owner, made["secret"])
    change(made["id"], previous_expires_at=datetime.now(UTC))
    problem(owner.api.get("/v1/jobs", headers=bearer(first["secret"])), 401, "api_key_expired")


def test_a_revoked_key_opens_nothing_at_once(owner: Owner) -> None:
    made = make(owner)
    turned = owner.api.post(f"{KEYS}/{made['id']}/rotate", json={"grace_seconds": 60}).json()
    for _ in range(2):
        assert owner.api.delete(f"{KEYS}/{made['id']}").status_code == 204
    for secret in (made["secret"], turned["secret"]):
        problem(owner.api.get("/v1/jobs", headers=bearer(secret)), 401, "api_key_invalid")
    assert owner.api.get(f"{KEYS}/{made['id']}").json()["revoked_at"]
    answer = owner.api.post(f"{KEYS}/{made['id']}/rotate", json={})
    problem(answer, 409, "api_key_revoked")


def test_a_key_ends(owner: Owner) -> None:
    made = make(owner, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert opens(owner, made["secret"])
    change(made["id"], expires_at=datetime.now(UTC))
    problem(owner.api.get("/v1/jobs", headers=bearer(made["secret"])), 401, "api_key_expired")


def test_a_key_cannot_give_what_it_has_not(owner: Owner) -> None:
    weak = make(owner, scopes=["keys:write", "jobs:read"], expires_in=3600)
    by = weak["secret"]
    for scopes in (["all"], ["jobs:read", "datasets:read"]):
        answer = owner.api.post(KEYS, json={"name": "n", "scopes": scopes}, headers=bearer(by))
        problem(answer, 403, "scope_exceeded", "scopes")
    answer = owner.api.post(KEYS, json={"name": "n", "expires_in": 7200}, headers=bearer(by))
    problem(answer, 403, "expiry_exceeded", "expires_at")
    child = make(owner, by)
    assert child["scopes"] == sorted(weak["scopes"])
    assert child["expires_at"] == weak["expires_at"]
    # Nor may it take a stronger key over by rotating it.
    [strong] = [key for key in owner.api.get(KEYS).json()["data"] if key["scopes"] == ["all"]]
    answer = owner.api.post(f"{KEYS}/{strong['id']}/rotate", json={}, headers=bearer(by))
    problem(answer, 403, "scope_exceeded", "scopes")
    assert opens(owner, owner.key)


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"name": "\u200b"}, "field_invalid", "name"),
        ({"name": "n", "scopes": []}, "field_invalid", "scopes"),
        ({"name": "n", "scopes": ["root"]}, "field_invalid", "scopes.0"),
        ({"name": "n", "expires_in": 5}, "field_invalid", "expires_in"),
        ({"name": "n", "expires_at": "2026-01-01T00:00:00"}, "field_invalid", "expires_at"),
        ({"name": "n", "expires_at": "2026-01-01T00:00:00Z"}, "expiry_out_of_range", "expires_at"),
        (
            {"name": "n", "expires_at": "9999-12-31T23:59:59-23:00"},
            "expiry_out_of_range",
            "expires_at",
        ),
        (
            {"name": "n", "expires_at": "2030-01-01T00:00:00Z", "expires_in": 60},
            "expiry_ambiguous",
            "expires_in",
        ),
    ],
)
def test_wishes_that_cannot_be_met(owner: Owner, asked: Json, code: str, param: str) -> None:
    problem(owner.api.post(KEYS, json=asked), 422, code, param)


def test_there_is_an_end_to_keys(owner: Owner) -> None:
    with transaction() as session:
        ids = [add(session, owner.tenant_id, "n", ["all"])[0].id for _ in range(99)]
    problem(owner.api.post(KEYS, json={"name": "n"}), 403, "api_keys_too_many")
    change(ids[0], expires_at=datetime.now(UTC))
    make(owner)
    problem(owner.api.post(KEYS, json={"name": "n"}), 403, "api_keys_too_many")
    owner.api.delete(f"{KEYS}/{ids[1]}")
    make(owner)


def test_the_last_use_is_noted_beside_requests_and_seldom(owner: Owner) -> None:
    made = make(owner)
    assert made["last_used_at"] is None

    def noted() -> datetime | None:
        with transaction() as session:
            return session.get_one(ApiKey, made["id"]).last_used_at

    def waited(beyond: datetime | None) -> datetime:
        deadline = time.monotonic() + 60
        while (found := noted()) == beyond and time.monotonic() < deadline:
            assert opens(owner, made["secret"])
            time.sleep(0.02)
        assert found is not None
        assert found != beyond
        return found

    with transaction() as session:
        # A row that somebody else holds keeps no request waiting.
        session.execute(select(ApiKey).where(ApiKey.id == made["id"]).with_for_update())
        assert opens(owner, made["secret"])
    first = waited(None)
    assert opens(owner, made["secret"])
    assert noted() == first
    change(made["id"], last_used_at=first - timedelta(minutes=2))
    assert waited(first - timedelta(minutes=2)) >= first
