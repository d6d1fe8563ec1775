"""What holds for every call: problems, request ids, headers, limits, health."""

import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from core import database
from core.scopes import SCOPES
from core.settings import Settings
from service.app import create_app
from service.health.service import Readiness, checks_of
from tests.service.played import Owner, problem

JSON = {"Content-Type": "application/json"}


def test_unknown_addresses_and_methods(owner: Owner) -> None:
    problem(owner.api.get("/v1/nothing"), 404, "not_found")
    problem(owner.api.get("/v1/jobs/"), 404, "not_found")
    response = owner.api.put("/v1/jobs")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", JSON, 400, "json_invalid"),
        (b'{"epsilon": 0.3,}', JSON, 400, "json_invalid"),
        (b'{"epsilon": "\xff"}', JSON, 400, "body_unreadable"),
        (b"[" * 100_000, JSON, 400, "body_unreadable"),
        (b'{"seed": ' + b"1" * 5000 + b"}", JSON, 400, "body_unreadable"),
        (b"epsilon=0.3", {"Content-Type": "text/plain"}, 415, "content_type_unsupported"),
        (b"{}", {}, 415, "content_type_unsupported"),
        (b'"' + b"x" * 1024 * 1024 + b'"', JSON, 413, "body_too_large"),
        (b"[]", JSON, 422, "field_invalid"),
        (b"null", JSON, 422, "field_invalid"),
        (b"", JSON, 422, "field_missing"),
        (b'{"dataset_id": "\\ud800", "epsilon": 1}', JSON, 422, "field_invalid"),
    ],
)
def test_bodies_that_cannot_be_read(
    owner: Owner, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = owner.api.post("/v1/jobs", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


def test_bodies_are_counted_when_they_do_not_say_their_size(owner: Owner) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(32):
            yield b" " * 65536

    response = owner.api.post("/v1/jobs", content=chunks(), headers=JSON)
    problem(response, 413, "body_too_large")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-1.A_b", True), ("x" * 65, False), ("two words", False), ("<script>", False)],
)
def test_request_ids(owner: Owner, given: str, kept: bool) -> None:
    response = owner.api.get("/v1/nothing", headers={"X-Request-ID": given})
    answered = problem(response, 404, "not_found")["request_id"]
    assert (answered == given) == kept
    assert kept or re.fullmatch(r"req_[0-9a-f]{24}", answered)


def test_every_answer_is_kept_out_of_caches_and_frames(owner: Owner) -> None:
    for path in ("/v1/jobs", "/v1/nothing", "/healthz", "/docs"):
        headers = owner.api.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "call", "error", "status", "code"),
    [
        ("datasets/ds_x", "datasets.service.get", RuntimeError("secret"), 500, "internal_error"),
        (
            "datasets/ds_x",
            "datasets.service.get",
            OperationalError("secret", {}, Exception("secret")),
            503,
            "database_unavailable",
        ),
        (
            "uploads/upl_x/parts",
            "uploads.service.parts",
            EndpointConnectionError(endpoint_url="secret"),
            503,
            "store_unavailable",
        ),
    ],
)
def test_the_inside_stays_inside(
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    call: str,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"service.{call}", fail)
    with caplog.at_level(logging.WARNING):
        response = owner.api.get(f"/v1/{path}")
    body = problem(response, status, code)
    assert "secret" not in response.text
    assert body["request_id"] in caplog.text
    assert response.headers["x-frame-options"] == "DENY"


def test_health(owner: Owner) -> None:
    assert owner.api.get("/healthz").json() == {"status": "alive"}
    ready = owner.api.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": {"database": True, "broker": True, "store": True},
    }


def test_what_does_not_answer_is_named(servers: Settings) -> None:
    app = create_app(servers.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"}))
    app.state.readiness = Readiness(checks_of(app.state.store), limit_seconds=0.5)
    body = problem(TestClient(app).get("/readyz"), 503, "not_ready")
    assert body["checks"] == {"database": True, "broker": True, "store": False}
    assert body["detail"] == "No answer from: store."


def test_a_check_that_hangs_is_not_asked_twice(servers: Settings) -> None:
    asked = 0
    over = threading.Event()

    def hang() -> None:
        nonlocal asked
        asked += 1
        over.wait(60)

    app = create_app(servers)
    checks = dict.fromkeys(checks_of(app.state.store), lambda: None) | {"database": hang}
    app.state.readiness = Readiness(checks, limit_seconds=0.2)
    with TestClient(app) as client:
        for _ in range(2):
            body = problem(client.get("/readyz"), 503, "not_ready")
            assert not body["checks"]["database"]
        over.set()
    assert asked == 1


def test_a_lost_database_is_said_so(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = database.get_engine().url.set(database="gone").render_as_string(False)
    settings = database.get_settings().model_copy(update={"database_url": broken})
    monkeypatch.setattr(database, "get_settings", lambda: settings)
    problem(owner.api.get("/v1/jobs"), 503, "database_unavailable")


def test_the_api_is_light() -> None:
    code = "import sys, json, service.app; print(json.dumps(list(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = {name.split(".")[0] for name in json.loads(found.stdout)}
    assert not modules & {"torch", "torchvision", "numpy", "PIL", "engine", "worker"}


def test_documentation_is_served_from_here(owner: Owner) -> None:
    page = owner.api.get("/docs").text
    assert "//" not in page.replace("https://fastapi.tiangolo.com", "").split("<script>")[0]
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert owner.api.get(asset).status_code == 200, asset


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [op for methods in document["paths"].values() for op in methods.values()]


def test_every_call_is_documented_with_examples(servers: Settings) -> None:
    document = create_app(servers).openapi()
    found = operations(document)
    ids = [operation["operationId"] for operation in found]
    assert len(ids) == len(set(ids)) >= 35
    for operation in found:
        assert operation["summary"]
        assert operation["description"]
        contents = [answer.get("content", {}) for answer in operation["responses"].values()]
        if "requestBody" in operation:
            contents.append(operation["requestBody"]["content"])
        for content in contents:
            for media in content.values():
                assert media.keys() & {"example", "examples"}, operation["operationId"]
                assert media["schema"]
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"]
        if operation["tags"] != ["health"]:
            [[scope]] = [entry["ApiKey"] for entry in operation["security"]]
            assert scope in SCOPES
            assert {"401", "403", "500", "503"} <= operation["responses"].keys()
    text = json.dumps(document)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in document["components"]["schemas"]
    assert "HTTPValidationError" not in text
