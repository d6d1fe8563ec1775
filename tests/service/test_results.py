"""The evaluation and the artifacts of a job."""

import hashlib
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core import lifecycle
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix
from core.tables import Artifact
from service.evaluations.schemas import EXAMPLE
from tests.service.played import Owner, problem


def succeed(job_id: str, evaluation: dict[str, Any] | None) -> None:
    with transaction() as session:
        job = lifecycle.lock_job(session, job_id)
        lifecycle.change_job(session, job, lifecycle.RUNNING)
        lifecycle.change_job(session, job, lifecycle.SUCCEEDED)
        job.evaluation = evaluation


def test_the_evaluation_is_what_the_worker_wrote(owner: Owner, job: dict[str, Any]) -> None:
    written = EXAMPLE.model_dump(exclude={"object", "job_id"}) | {"max_change": 76}
    succeed(job["id"], written)
    response = owner.api.get(f"/v1/jobs/{job['id']}/evaluation")
    assert response.status_code == 200
    assert response.json() == written | {"object": "evaluation", "job_id": job["id"]}


def test_an_evaluation_that_cannot_tell(owner: Owner, job: dict[str, Any]) -> None:
    written = EXAMPLE.model_dump() | {"verdict": {"protects": None, "summary": "Too few images."}}
    succeed(job["id"], written)
    told = owner.api.get(f"/v1/jobs/{job['id']}/evaluation").json()
    assert told["verdict"]["protects"] is None


def test_there_is_no_evaluation_yet(owner: Owner, job: dict[str, Any]) -> None:
    response = owner.api.get(f"/v1/jobs/{job['id']}/evaluation")
    problem(response, 409, "evaluation_not_ready")
    assert response.headers["x-should-retry"] == "true"
    owner.api.post(f"/v1/jobs/{job['id']}/cancel")
    response = owner.api.get(f"/v1/jobs/{job['id']}/evaluation")
    problem(response, 409, "evaluation_not_ready")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("call", ["", "/evaluation", "/artifacts"])
@pytest.mark.parametrize("job_id", ["job_" + "0" * 26, "nothing", "%00", "job_%f0%9f%98%80"])
def test_unknown_jobs(owner: Owner, job_id: str, call: str) -> None:
    problem(owner.api.get(f"/v1/jobs/{job_id}{call}"), 404, "job_not_found")


def test_artifacts_are_downloads(owner: Owner, job: dict[str, Any], store: ObjectStore) -> None:
    address = f"/v1/jobs/{job['id']}/artifacts"
    assert owner.api.get(address).json() == {"object": "list", "data": [], "has_more": False}
    content = b"protected bytes"
    key = job_prefix(owner.tenant_id, job["id"]) + "protected.npz"
    store.put_bytes(key, content)
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=owner.tenant_id,
                job_id=job["id"],
                kind="protected_dataset",
                name="protected.npz",
                content_type="application/octet-stream",
                object_key=key,
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )
    (artifact,) = owner.api.get(address).json()["data"]
    assert artifact["object"] == "artifact"
    assert artifact["name"] == "protected.npz"
    assert artifact["kind"] == "protected_dataset"
    assert artifact["size_bytes"] == len(content)
    assert owner.api.get(address, params={"kind": "protected_dataset"}).json()["data"]
    assert owner.api.get(address, params={"kind": "preview"}).json()["data"] == []
    problem(owner.api.get(address, params={"kind": "x"}), 422, "field_invalid", "kind")
    left = datetime.fromisoformat(artifact["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=890) < left <= timedelta(seconds=900)
    with urllib.request.urlopen(artifact["url"], timeout=10) as download:  # noqa: S310  ours
        assert download.read() == content
        assert "attachment" in download.headers["Content-Disposition"]
        assert "protected.npz" in download.headers["Content-Disposition"]
