"""Both clients against the real API: what owners do, and what goes wrong."""

import hashlib
import io
import itertools
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import unlearnable
from core import api_keys, lifecycle
from core.database import reading, transaction
from core.ids import new_id
from core.object_store import ObjectStore, dataset_prefix, job_prefix
from core.problem import Problem
from core.settings import MIB, Settings
from core.tables import Artifact
from service.app import create_app
from service.evaluations.schemas import EXAMPLE
from tests.service.played import PlayedWorker
from tests.service.test_jobs import change
from tests.service.test_results import succeed
from tests.unlearnable.conftest import Api, later
from unlearnable import account_models, models
from unlearnable.jobs import JobWishes

PART = 5 * MIB


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of three parts. The played worker likes every file."""
    path = tmp_path / "large.npz"
    path.write_bytes(os.urandom(2 * PART + 1000))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "digits.npz"
    path.write_bytes(os.urandom(1000))
    return path


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


@pytest.fixture
def tenant(key: str) -> str:
    with reading() as session:
        caller = api_keys.find(session, key)
    assert caller is not None
    return caller.tenant_id


@pytest.fixture
def job(client: Any, worker: PlayedWorker, small: Path) -> models.Job:
    dataset = client.datasets.upload(small)
    job = client.jobs.create(dataset.id, epsilon="8/255", seed=3, metadata={"release": "1"})
    assert isinstance(job, models.Job)
    return job


def test_a_large_file_goes_in_parts(
    client: Any, worker: PlayedWorker, large: Path, store: ObjectStore, tenant: str
) -> None:
    told: list[tuple[int, int]] = []
    dataset = client.datasets.upload(
        large,
        name="photos",
        part_size_bytes=PART,
        on_progress=lambda done, whole: told.append((done, whole)),
    )
    size = large.stat().st_size
    assert (dataset.status, dataset.name, dataset.size_bytes) == ("ready", "photos", size)
    assert dataset.classes == ["cat", "dog", "owl"]
    assert store.get_bytes(dataset_prefix(tenant, dataset.id) + "upload") == large.read_bytes()
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert (told[0][0], told[-1]) == (0, (size, size))


def test_a_broken_upload_goes_on(client: Any, worker: PlayedWorker, large: Path) -> None:
    class Broken(Exception):
        pass

    def breaks(done: int, _whole: int) -> None:
        if done >= PART:
            raise Broken

    with pytest.raises(Broken):
        client.uploads.send(large, part_size_bytes=PART, on_progress=breaks)
    (broken,) = client.uploads.list()
    assert broken.status == "pending"
    told: list[int] = []
    upload = client.uploads.send(large, on_progress=lambda done, _: told.append(done))
    assert (upload.id, upload.status) == (broken.id, "completed")
    assert told[0] >= PART  # what had arrived was not sent again
    dataset = client.datasets.upload(large)
    assert client.uploads.get(broken.id).dataset_id == dataset.id
    # Once used, the same bytes make another dataset, unless asked otherwise.
    assert client.datasets.upload(large, reuse=True).id == dataset.id
    client.datasets.delete(dataset.id)
    assert client.datasets.upload(large, reuse=True).id != dataset.id


def test_a_folder_is_packed_on_its_way(
    client: Any, worker: PlayedWorker, tmp_path: Path, store: ObjectStore, tenant: str
) -> None:
    for name in ("cat/a.png", "dog/b.png"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        (tmp_path / "pets" / name).write_bytes(name.encode())
    dataset = client.datasets.upload(tmp_path / "pets")
    stored = store.get_bytes(dataset_prefix(tenant, dataset.id) + "upload")
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        assert archive.namelist() == ["cat/a.png", "dog/b.png"]
    assert list(tmp_path.iterdir()) == [tmp_path / "pets"]


def test_a_refused_dataset_names_the_file(client: Any, worker: PlayedWorker, small: Path) -> None:
    worker.verdict = Problem("image_truncated", "The PNG is cut short.", "train/cat/1.png")
    with pytest.raises(unlearnable.DatasetRejected, match="cut short") as caught:
        client.datasets.upload(small)
    assert caught.value.dataset.error.param == "train/cat/1.png"


def test_a_job_from_order_to_cancellation(client: Any, job: models.Job) -> None:
    assert (job.status, job.max_change, job.seed) == ("queued", 8, 3)
    assert job.metadata == {"release": "1"}
    assert client.jobs.get(job.id).queue_position is not None
    assert client.jobs.estimate(job.dataset_id, epsilon=0.1, budget_seconds=9).total_seconds > 9
    assert client.jobs.pause(job.id).status == "paused"
    assert client.jobs.resume(job.id).status == "queued"
    assert client.jobs.cancel(job.id).status == "cancelled"
    types = [event.type for event in client.jobs.events(job.id)]
    assert (types[0], types[-1]) == ("job.created", "job.cancelled")
    assert client.jobs.metrics(job.id)["series"] == []
    with pytest.raises(unlearnable.JobCancelled):
        client.jobs.wait(job.id)
    assert client.jobs.wait(job.id, check=False).status == "cancelled"


def test_lists_are_walked_through(client: Any, job: models.Job) -> None:
    others = [client.jobs.create(job.dataset_id, epsilon=0.1).id for _ in range(4)]
    listed = [one.id for one in client.jobs.list(page_size=2)]
    assert listed == [*reversed(others), job.id]
    assert [one.id for one in itertools.islice(client.jobs.list(page_size=1), 2)] == listed[:2]
    assert [one.id for one in client.datasets.list()] == [job.dataset_id]
    assert list(client.generators.list()) == list(client.evaluations.list()) == []


def test_waiting_outlives_the_api(client: Any, api: Api, job: models.Job) -> None:
    seen: list[str] = []

    def look(one: models.Job) -> None:
        seen.append(one.status)
        if len(seen) == 1:
            api.kill()
            change(job.id, lifecycle.RUNNING)
            change(job.id, lifecycle.FAILED)
            later(0.1, api.start)

    with pytest.raises(unlearnable.JobFailed):
        client.jobs.wait(job.id, on_progress=look)
    assert seen == ["queued", "failed"]


def test_waiting_has_an_end(client: Any, job: models.Job) -> None:
    with pytest.raises(unlearnable.WaitTimeout, match="It goes on"):
        client.jobs.wait(job.id, timeout=0.3)
    later(0.3, lambda: succeed(job.id, EXAMPLE.model_dump()))
    assert client.jobs.wait(job.id).status == "succeeded"
    evaluation = client.jobs.evaluation(job.id)
    assert (evaluation.protected_accuracy, evaluation.verdict.protects) == (4.2, True)
    assert evaluation.rows[0].accuracy.mean == pytest.approx(31.4)


def test_evaluations_of_pairs(client: Any, job: models.Job) -> None:
    asked = client.evaluations.create(
        job.dataset_id, protected_dataset_id=job.dataset_id, countermeasures=["jpeg-10"]
    )
    with pytest.raises(unlearnable.WaitTimeout):
        client.evaluations.wait(asked.id, timeout=0)
    later(0.2, lambda: succeed(asked.id, EXAMPLE.model_dump()))
    done = client.evaluations.wait(asked.id)
    assert done.result.verdict.protects
    assert list(client.artifacts.list(asked.id)) == []


@pytest.fixture
def artifact(job: models.Job, client: Any, store: ObjectStore, tenant: str) -> Iterator[Any]:
    content = os.urandom(3 * MIB)
    key = f"{job_prefix(tenant, job.id)}attempts/1/protected.npz"
    store.put_bytes(key, content)
    with transaction() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=tenant,
                job_id=job.id,
                name="../protected.npz",
                kind="protected_dataset",
                content_type="application/octet-stream",
                size_bytes=len(content),
                sha256=hashlib.sha256(content).hexdigest(),
                object_key=key,
            )
        )
    (listed,) = client.artifacts.list(job.id, kind="protected_dataset")
    yield listed, content
    store.delete(key)


def test_a_download_is_checked_and_moved(client: Any, artifact: Any, tmp_path: Path) -> None:
    listed, content = artifact
    folder = tmp_path / "out"
    folder.mkdir()
    path = client.artifacts.download(listed, folder)
    assert path == folder / "protected.npz"
    assert path.read_bytes() == content
    other = type(listed)(**{**_members(listed), "sha256": "0" * 64})
    with pytest.raises(unlearnable.ChecksumMismatch):
        client.artifacts.download(other, folder / "other.npz")
    assert list(folder.iterdir()) == [path]


def _members(model: Any) -> dict[str, Any]:
    return {field.name: getattr(model, field.name) for field in fields(model)}


@pytest.mark.parametrize(
    ("call", "kind", "code", "param"),
    [
        (lambda c: c.jobs.get("job_x"), unlearnable.NotFound, "job_not_found", None),
        (
            lambda c: c.jobs.create("ds_x", epsilon=0.1),
            unlearnable.NotFound,
            "dataset_not_found",
            "dataset_id",
        ),
        (
            lambda c: c.jobs.create("ds_x", epsilon=0.1, extra={"epsilom": 1}),
            unlearnable.BadRequest,
            "field_unknown",
            "epsilom",
        ),
        (lambda c: c.generators.get("gen_x"), unlearnable.NotFound, "generator_not_found", None),
        (lambda c: c.generators.delete("gen_x"), unlearnable.NotFound, "generator_not_found", None),
        (lambda c: list(c.artifacts.list("job_x")), unlearnable.NotFound, "job_not_found", None),
    ],
)
def test_refusals_are_typed(
    client: Any, call: Callable[[Any], Any], kind: type[Exception], code: str, param: str | None
) -> None:
    with pytest.raises(unlearnable.ApiError) as caught:
        call(client)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.param) == (code, param)
    assert error.request_id
    assert str(error).startswith(error.detail)


def test_a_wrong_key_and_nobody_there(api: Api) -> None:
    with (
        unlearnable.Unlearnable("wrong", api.url) as client,
        pytest.raises(unlearnable.NotAuthenticated),
    ):
        client.jobs.get("job_x")
    with (
        unlearnable.Unlearnable("key", "http://127.0.0.1:9", max_retries=0) as client,
        pytest.raises(unlearnable.ConnectionFailed, match="does not answer"),
    ):
        client.jobs.get("job_x")


def test_studies(client: Any, job: models.Job) -> None:
    study = client.studies.create(job.dataset_id, epsilons=[0.1, "8/255"], fractions=[0.5, 1.0])
    assert {(point.max_change, point.fraction) for point in study.points} == {
        (change, fraction) for change in (25, 8) for fraction in (0.5, 1.0)
    }
    with pytest.raises(unlearnable.WaitTimeout):
        client.studies.wait(study.id, timeout=0)
    client.studies.cancel(study.id)
    assert [one.id for one in client.studies.list()] == [study.id]
    assert list(client.artifacts.list(study.id)) == []


def test_keys_and_erasures(client: Any, job: models.Job) -> None:
    made = client.api_keys.create("nightly", scopes=["jobs:read"], expires_in=3600)
    assert made.secret.startswith(made.hint[:4])
    assert made.secret not in repr(made)
    assert client.api_keys.rotate(made.id, grace_seconds=60).secret != made.secret
    client.api_keys.revoke(made.id)
    assert client.api_keys.get(made.id).revoked_at is not None
    assert next(key.id for key in client.api_keys.list()) == made.id
    assert client.datasets.keep(job.dataset_id, retention_seconds=7200).expires_at is not None
    client.jobs.cancel(job.id)
    erasure = client.datasets.erase(job.dataset_id)
    assert [one.id for one in client.erasures.list()] == [erasure.id]
    with pytest.raises(unlearnable.WaitTimeout):
        client.erasures.wait(erasure.id, timeout=0)


def test_webhooks(client: Any) -> None:
    made = client.webhooks.create("https://example.com/hook", events=["job.succeeded"])
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert client.webhooks.rotate(made.id).secret != made.secret
    assert not client.webhooks.update(made.id, enabled=False).enabled
    assert client.webhooks.update(made.id, enabled=True, events=["*"]).events == ["*"]
    sent = client.webhooks.test(made.id)
    assert [one.id for one in client.webhooks.deliveries(made.id)] == [sent.id]
    client.webhooks.delete(made.id)
    assert list(client.webhooks.list()) == []


def test_models_and_wishes_are_of_the_api(servers: Settings) -> None:
    """Nothing that the client promises is unknown to the API."""
    schemas = create_app(servers).openapi()["components"]["schemas"]
    promised = [
        (kind.__name__, {field.name for field in fields(kind)} - {"raw"})
        for module in (models, account_models)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, models.Model) and kind is not models.Model
    ]
    assert len(promised) > 20
    for name, members in promised:
        assert members <= set(schemas[name]["properties"]), name
    assert JobWishes.__annotations__.keys() - {"extra"} <= set(schemas["JobRequest"]["properties"])


def test_clocks_of_models_know_their_zone(client: Any, job: models.Job) -> None:
    assert abs(datetime.now(UTC) - job.created_at) < timedelta(hours=1)
    assert set(job.timestamps) == {"queued"}
