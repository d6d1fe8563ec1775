"""An owner who talks to the API, and a worker that judges what is uploaded."""

import re
import threading
from dataclasses import dataclass
from typing import Any, Self

from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from core import database, steps
from core.pools import INGEST
from core.problem import Problem
from core.tables import AuditEvent
from service.kit.problems import PROBLEM_JSON
from worker import attempt, flow


@dataclass
class Owner:
    """A tenant with a key, and a client that checks every answer against /openapi.json."""

    tenant_id: str
    key: str
    api: TestClient


class DocumentedAnswers:
    """Fails a test on an answer that /docs does not know."""

    def __init__(self, app: FastAPI) -> None:
        self._operations = [
            (re.compile(re.sub(r"{\w+}", "[^/]+", path)), method.upper(), operation)
            for path, methods in app.openapi()["paths"].items()
            for method, operation in methods.items()
        ]

    def __call__(self, response: Response) -> None:
        response.read()
        request = response.request
        for path, method, operation in self._operations:
            if path.fullmatch(request.url.path) and method == request.method:
                self._check(response, operation)

    def _check(self, response: Response, operation: dict[str, Any]) -> None:
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{response.status_code} of {operation['operationId']}"
        assert response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"
        if response.content:
            media_type = response.headers["content-type"]
            assert media_type in documented["content"]
            if media_type == PROBLEM_JSON:
                code = response.json()["code"]
                assert f"`{code}`" in documented["description"] or code in VERDICTS, code
        if response.is_success and response.request.method != "GET":
            self._check_audit(response, operation)

    def _check_audit(self, response: Response, operation: dict[str, Any]) -> None:
        """What was changed is in the audit log; see `core.audit`."""
        if operation["operationId"] in READING or "idempotent-replayed" in response.headers:
            return
        with database.transaction() as session:
            query = select(AuditEvent).where(
                AuditEvent.request_id == response.headers["x-request-id"]
            )
            events = session.scalars(query).all()
        assert events, f"{operation['operationId']} leaves no audit event"
        assert all(event.api_key_id for event in events)


READING = ("estimate_job", "sign_parts")  # POSTs that change nothing
VERDICTS = ("worker_lost",)
SUMMARY = {
    "layout": "npz",
    "classes": ["cat", "dog", "owl"],
    "counts": {
        "train": {"cat": 3, "dog": 4, "owl": 5},
        "test": {"cat": 1, "dog": 1, "owl": 1},
    },
    "image_shape": [28, 28, 1],
    "test_split": "given",
    "notes": ["A note."],
}


class PlayedWorker:
    """Judges datasets as the worker does: `verdict` is None for ready, or the problem.

    Steps of jobs it does for real, unless it is `away`.
    """

    def __init__(self) -> None:
        self.verdict: Problem | None = None
        self.away = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            if self.away:
                continue
            with database.transaction() as session:
                claim = steps.claim(session, INGEST, "test", 30, kinds=flow.KINDS)
                if claim is None:
                    continue
                if claim.job_id is not None:
                    flow.begin(session, claim)
                elif self.verdict is None:
                    flow.advance(session, claim, {"summary": SUMMARY, "canonical_prefix": "c/"})
                else:
                    flow.reject(session, claim, self.verdict)
            if claim.job_id is not None:
                attempt.run(claim)


def problem(response: Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    """Check that an answer is this problem, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM_JSON
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["param"]) == (status, code, param), body
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["detail"].strip()
    assert body["title"]
    return body
