"""What a tenant uses and what it may: counted truly, refused in time, never overrun by a race."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import quotas, steps
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, tenant_prefix
from core.pools import COMPUTE
from core.tables import Artifact, Step, Tenant
from tests.locks import wait_until_blocking
from tests.service.played import SUMMARY, Owner, PlayedWorker, problem
from worker import flow

Json = dict[str, Any]
IMAGES = sum(sum(counts.values()) for counts in SUMMARY["counts"].values())  # type: ignore[attr-defined]


@pytest.fixture
def limit(owner: Owner) -> Callable[..., None]:
    """Sets quotas of the owner."""

    def change(**limits: int) -> None:
        with transaction() as session:
            name = session.get_one(Tenant, owner.tenant_id).name
            for quota, value in limits.items():
                quotas.change(session, name, quota, value)

    return change


def usage(owner: Owner, **period: str) -> Json:
    answer = owner.api.get("/v1/usage", params=period)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def quota(owner: Owner, name: str) -> tuple[int | None, float]:
    [found] = [one for one in usage(owner)["quotas"] if one["name"] == name]
    return found["limit"], found["used"]


def asked(dataset: Json) -> Json:
    return {"dataset_id": dataset["id"], "epsilon": 0.3}


def upload(owner: Owner, content: bytes = b"bytes") -> Any:
    return owner.api.post("/v1/datasets", files={"file": ("digits.npz", content)})


def uploaded(owner: Owner, content: bytes = b"bytes") -> Json:
    answer = upload(owner, content)
    assert answer.status_code in {201, 202}, answer.text
    found = answer.json()
    while found["status"] == "validating":
        found = owner.api.get(f"/v1/datasets/{found['id']}").json()
    return dict(found)


def test_usage_counts_what_is_there(owner: Owner, job: Json) -> None:
    owner.api.post("/v1/uploads", json={"size_bytes": 7, "sha256": "0" * 64})
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=owner.tenant_id,
                job_id=job["id"],
                kind="preview",
                name="preview.png",
                content_type="image/png",
                object_key="k",
                size_bytes=11,
                sha256="",
            )
        )
    found = usage(owner)
    assert found["bytes_stored"] == {"total": 23, "datasets": 5, "uploads": 7, "results": 11}
    assert (found["datasets"], found["images"], found["concurrent_jobs"]) == (1, IMAGES, 1)
    assert found["compute_seconds"] == 0
    assert {one["limit"] for one in found["quotas"]} == {None}
    owner.api.post(f"/v1/jobs/{job['id']}/cancel")
    owner.api.delete(f"/v1/datasets/{job['dataset_id']}")
    left = usage(owner)
    assert (left["datasets"], left["images"], left["concurrent_jobs"]) == (0, 0, 0)


def test_computing_is_counted_by_attempt(owner: Owner, job: Json) -> None:
    """Also that of an attempt that was lost, until its lease ran out, and of one that runs."""

    def attempt(seconds: float, lease: float = 3600) -> steps.Claim:
        with transaction() as session:
            # Steps that other tests left in the queue would be claimed first.
            session.execute(
                update(Step)
                .where(Step.status == steps.QUEUED, Step.job_id != job["id"])
                .values(status=steps.DROPPED)
            )
            claim = steps.claim(session, COMPUTE, "test", 60, kinds=["train"])
            assert claim is not None
            now = datetime.now(UTC)
            session.execute(
                update(Step)
                .where(Step.id == claim.step_id)
                .values(
                    claimed_at=now - timedelta(seconds=seconds),
                    lease_expires_at=now - timedelta(seconds=seconds - lease),
                )
            )
        return claim

    def spent() -> float:
        found = usage(owner)
        assert found["compute_seconds"] == pytest.approx(
            sum(day["compute_seconds"] for day in found["days"]), abs=0.2
        )
        return float(found["compute_seconds"])

    claim = attempt(100, lease=40)
    with transaction() as session:
        flow.lose(session, claim, quotas.exceeded("bytes", 1, 1).problem, 3)
    assert 40 <= spent() < 41
    claim = attempt(200)
    assert 240 <= spent() < 400  # it runs
    with transaction() as session:
        flow.fail(session, claim, quotas.exceeded("bytes", 1, 1).problem)
    total = spent()
    assert 240 <= total < 400
    assert quota(owner, "compute_seconds") == (None, total)
    assert usage(owner, start="2026-01-01", end="2026-01-31")["compute_seconds"] == 0


@pytest.mark.parametrize(
    ("period", "code"),
    [
        ({"start": "2026-02-02", "end": "2026-02-01"}, "period_invalid"),
        ({"start": "2020-01-01", "end": "2026-02-01"}, "period_invalid"),
        ({"start": "yesterday"}, "field_invalid"),
    ],
)
def test_periods_that_are_none(owner: Owner, period: dict[str, str], code: str) -> None:
    problem(owner.api.get("/v1/usage", params=period), 422, code, "start")


def test_jobs_beyond_the_quota_are_refused(
    owner: Owner, ready_dataset: Json, limit: Callable[..., None]
) -> None:
    limit(concurrent_jobs=1)
    first = owner.api.post("/v1/jobs", json=asked(ready_dataset))
    assert first.status_code == 202
    refused = owner.api.post("/v1/jobs", json=asked(ready_dataset))
    told = problem(refused, 403, "quota_exceeded", "concurrent_jobs")
    assert "cancel" in told["detail"]
    assert quota(owner, "concurrent_jobs") == (1, 1)
    owner.api.post(f"/v1/jobs/{first.json()['id']}/cancel")
    assert owner.api.post("/v1/jobs", json=asked(ready_dataset)).status_code == 202
    limit(compute_seconds=0, concurrent_jobs=9)
    problem(
        owner.api.post("/v1/jobs", json=asked(ready_dataset)),
        403,
        "quota_exceeded",
        "compute_seconds",
    )


def test_the_last_place_is_taken_once(
    owner: Owner, ready_dataset: Json, worker: PlayedWorker, limit: Callable[..., None]
) -> None:
    """Of many that ask at once, on different datasets, none slips through."""
    others = [uploaded(owner) for _ in range(3)]
    limit(concurrent_jobs=2)
    datasets = [ready_dataset, *others] * 2
    with ThreadPoolExecutor(len(datasets)) as pool:
        answers = list(pool.map(lambda one: owner.api.post("/v1/jobs", json=asked(one)), datasets))
    assert sorted(answer.status_code for answer in answers) == [202] * 2 + [403] * 6


def test_bytes_beyond_the_quota_are_refused_and_leave_nothing(
    owner: Owner, worker: PlayedWorker, limit: Callable[..., None], store: ObjectStore
) -> None:
    limit(bytes=10)
    uploaded(owner, b"12345678")
    problem(upload(owner, b"123"), 403, "quota_exceeded", "bytes")
    parts = {"size_bytes": 3, "sha256": "0" * 64}
    problem(owner.api.post("/v1/uploads", json=parts), 403, "quota_exceeded", "bytes")
    assert len(list(store.keys(tenant_prefix(owner.tenant_id)))) == 1
    assert owner.api.post("/v1/uploads", json=parts | {"size_bytes": 2}).status_code == 201
    problem(upload(owner, b"1"), 403, "quota_exceeded", "bytes")


def test_images_and_datasets_beyond_the_quota_are_refused(
    owner: Owner, worker: PlayedWorker, limit: Callable[..., None]
) -> None:
    limit(images=IMAGES + 1)
    uploaded(owner)
    # How many there are is known when they have been read.
    problem(upload(owner), 403, "quota_exceeded", "images")
    assert usage(owner)["datasets"] == 1
    limit(datasets=1)
    problem(upload(owner), 403, "quota_exceeded", "datasets")


def test_two_operators_do_not_undo_what_the_other_does(owner: Owner) -> None:
    with transaction() as session:
        name = session.get_one(Tenant, owner.tenant_id).name

    def change_another() -> None:
        with transaction() as session:
            quotas.change(session, name, quotas.IMAGES, 7)

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            quotas.change(session, name, quotas.JOBS, 5)
            session.flush()
            other = pool.submit(change_another)
            wait_until_blocking(session)
        other.result(60)
    assert (quota(owner, quotas.JOBS)[0], quota(owner, quotas.IMAGES)[0]) == (5, 7)


def test_an_operator_sets_quotas(owner: Owner) -> None:
    with transaction() as session:
        name = session.scalars(select(Tenant.name).where(Tenant.id == owner.tenant_id)).one()

    def chore(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "core", *words], capture_output=True, text=True, check=False
        )

    assert "datasets 3\n" in chore("set-quota", name, "datasets", "3").stdout
    assert quota(owner, "datasets") == (3, 0)
    assert chore("set-quota", name, "datasets", "default").returncode == 0
    assert quota(owner, "datasets") == (None, 0)
    unknown = chore("quotas", "nobody-at-all")
    assert (unknown.returncode, unknown.stderr) == (1, "there is no tenant 'nobody-at-all'\n")
