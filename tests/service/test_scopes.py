"""What a key may do: every documented call is walked with less, and with just enough."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from core.api_keys import add
from core.database import transaction
from core.scopes import ALL, SCOPES
from service.kit import scopes
from service.kit.idempotency import HEADER
from tests.service.played import Owner, problem
from tests.service.test_other_tenants import body_of, calls

Header = dict[str, str]
# What needs another scope than reading for GET and writing for the rest.
EXCEPTIONS = {("post", "/v1/jobs/estimate"): "jobs:read"}


@pytest.fixture
def key_with(owner: Owner) -> Callable[[list[str]], Header]:
    """Makes a key of the owner with some scopes only, as a header."""

    def make(held: list[str]) -> Header:
        with transaction() as session:
            _, secret = add(session, owner.tenant_id, "test", held)
        return {"Authorization": f"Bearer {secret.text}"}

    return make


def test_every_call_takes_its_scope_and_no_other(
    app: FastAPI, owner: Owner, key_with: Callable[[list[str]], Header]
) -> None:
    without, only = (
        {
            scope: key_with([one for one in SCOPES if (one == scope) == alone and one != ALL])
            for scope in SCOPES
            if scope != ALL
        }
        for alone in (False, True)
    )
    for method, path, operation in calls(app):
        [[scope]] = [entry["ApiKey"] for entry in operation["security"]]
        verb = "read" if method == "get" else "write"
        assert scope == EXCEPTIONS.get((method, path), f"{scope.partition(':')[0]}:{verb}"), path
        address = re.sub(r"{\w+}", "x", path)
        sent: dict[str, Any] = {"method": method, "url": address, **body_of(operation)}
        refused = owner.api.request(headers=without[scope], **sent)
        problem(refused, 403, "scope_missing", scope)
        assert f'scope="{scope}"' in refused.headers["www-authenticate"]
        answer = owner.api.request(headers=only[scope], **sent)
        assert answer.status_code != 401, (method, path)
        assert "scope_missing" not in answer.text, (method, path)


def test_a_route_without_a_scope_keeps_the_api_from_starting() -> None:
    router = APIRouter(prefix="/v1/secrets")
    router.add_api_route("", lambda: None)
    with pytest.raises(LookupError):
        scopes.check(router.routes)


def test_an_answer_is_given_again_only_to_who_may_ask(
    owner: Owner, key_with: Callable[[list[str]], Header]
) -> None:
    asked = {"size_bytes": 3, "sha256": "0" * 64}
    again = {HEADER: "a-1"}
    assert owner.api.post("/v1/uploads", json=asked, headers=again).status_code == 201
    weak = again | key_with(["jobs:write"])
    problem(
        owner.api.post("/v1/uploads", json=asked, headers=weak),
        403,
        "scope_missing",
        "datasets:write",
    )
