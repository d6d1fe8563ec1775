"""Single images, protected while their owner waits; the generator is real, though not trained."""

import io
import json
import time
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from httpx2 import Response
from PIL import Image
from sqlalchemy import select

from core import lifecycle
from core.database import transaction
from core.few_images import MAX_BYTES
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix, tenant_prefix
from core.settings import Settings
from core.tables import Artifact, Generator, IdempotencyKey, Job, Step
from engine import Summary, TrainedGenerator, TrainingPlan, protect_images
from engine.trained import new_generator
from tests.service.conftest import Patience
from tests.service.played import Owner, PlayedWorker, problem
from worker.purge import purge_jobs
from worker.retention import expire_images

pytestmark = pytest.mark.usefixtures("patience")

BOUND = 8


@pytest.fixture(scope="module")
def network() -> TrainedGenerator:
    """Noise of a random network, as strong as it may be: its last layer is turned up."""
    plan = TrainingPlan(epsilon=BOUND / 255, conditioning="label", generator="unet", width=4)
    torch.manual_seed(0)
    network = new_generator(plan, 1, 3)
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)
    return TrainedGenerator(network.eval(), plan, 1, 3, Summary(1, 1, 1.0, (), 1))


@pytest.fixture
def generator(
    owner: Owner, job: dict[str, Any], store: ObjectStore, network: TrainedGenerator
) -> str:
    key = job_prefix(owner.tenant_id, job["id"]) + "attempts/x/generator.safetensors"
    store.put_bytes(key, network.to_bytes())
    with transaction() as session:
        row = Generator(
            id=new_id("gen"),
            tenant_id=owner.tenant_id,
            job_id=job["id"],
            object_key=key,
            size_bytes=1,
            sha256="0",
            training={"plan": {"conditioning": "label"}},
        )
        session.add(row)
        return row.id


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape or (28, 28), np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def send(
    owner: Owner, generator: str, files: dict[str, bytes], *labels: str, **headers: str
) -> Response:
    answer = owner.api.post(
        f"/v1/generators/{generator}/protect",
        files=[("file", item) for item in files.items()],
        data={"label": list(labels)},
        headers=headers,
    )
    assert isinstance(answer, Response)
    return answer


def left_behind(owner: Owner, store: ObjectStore) -> list[str]:
    keys = store.keys(tenant_prefix(owner.tenant_id) + "jobs/")
    return [key for key in keys if not key.endswith("generator.safetensors")]


def test_an_image_comes_back_protected_and_nothing_of_it_stays(
    owner: Owner, generator: str, store: ObjectStore, network: TrainedGenerator
) -> None:
    clean = pixels(0)
    answer = send(
        owner, generator, {"cat.png": encoded(clean)}, "dog", **{"Idempotency-Key": new_id("k")}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    protected = decoded(answer.content)
    moved = np.abs(protected.astype(int) - clean).max()
    assert 0 < moved <= BOUND
    told = {name: answer.headers[f"protection-{name}"] for name in ("images", "max-change", "linf")}
    assert told == {"images": "1", "max-change": str(BOUND), "linf": str(moved)}
    assert 20 < float(answer.headers["protection-psnr-db"]) < 60
    assert "attachment" in answer.headers["content-disposition"]
    # The bytes that it would have among the images of a dataset.
    beside = np.stack([clean, pixels(1), pixels(2)])[..., None]
    in_dataset = protect_images(network, beside, np.array([1, 0, 2]))
    np.testing.assert_array_equal(protected, in_dataset[0, :, :, 0])

    assert left_behind(owner, store) == []
    with transaction() as session:
        mine = session.scalars(select(Artifact).where(Artifact.tenant_id == owner.tenant_id))
        assert mine.all() == []
        kept = select(IdempotencyKey).where(IdempotencyKey.tenant_id == owner.tenant_id)
        assert session.scalars(kept).all() == []
    assert {one["kind"] for one in owner.api.get("/v1/jobs").json()["data"]} == {"protection"}


def test_several_files_and_zips_come_back_as_one_zip(
    owner: Owner, generator: str, store: ObjectStore
) -> None:
    files = {
        "cat.jpg": encoded(pixels(3, 40, 36), "JPEG"),
        "cat.png": encoded(pixels(4, 80, 72)),
        "few.zip": zipped({"owl/1.png": encoded(pixels(5)), "owl/.DS_Store": b"x"}),
    }
    answer = send(owner, generator, files, "cat", "0", "owl")
    assert answer.headers["content-type"] == "application/zip", answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        about = json.loads(archive.read("protection.json"))
        shapes = {
            name: decoded(archive.read(name)).shape
            for name in archive.namelist()
            if name.endswith(".png")
        }
    assert shapes == {"cat.png": (40, 36), "cat-2.png": (80, 72), "owl/1.png": (28, 28)}
    assert [one["label"] for one in about["files"]] == ["cat", "cat", "owl"]
    assert (about["images"], about["max_change"]) == (3, BOUND)
    assert about["linf"] == max(one["linf"] for one in about["files"]) <= BOUND
    assert answer.headers["protection-images"] == "3"
    # Without a label a zip's folders tell the classes.
    assert send(owner, generator, {"few.zip": files["few.zip"]}).status_code == 200
    assert left_behind(owner, store) == []


@pytest.mark.parametrize(
    ("files", "labels", "status", "code", "param"),
    [
        ({"a.png": encoded(pixels(0))}, [], 422, "label_missing", "label"),
        ({"a.png": encoded(pixels(0))}, ["eel"], 422, "class_unknown", "label"),
        (
            {"a.png": b"x", "b.png": b"x", "c.png": b"x"},
            ["0"] * 2,
            422,
            "labels_do_not_match",
            "label",
        ),
        ({"a.png": b""}, ["cat"], 422, "file_missing", "file"),
        ({"a.png": b"x" * (MAX_BYTES + 2**20)}, ["cat"], 413, "upload_too_large", "file"),
        ({str(i): b"x" for i in range(17)}, ["cat"], 400, "form_malformed", None),
        ({"a.zip": zipped({"a.png": encoded(pixels(0))})}, [], 422, "label_missing", "label"),
        ({"a.png": encoded(pixels(0, 9, 9, 3))}, ["cat"], 422, "channels_differ", "file"),
        ({"a.png": encoded(pixels(0))[:60]}, ["cat"], 422, "image_truncated", "a.png"),
        ({"../a.png": encoded(pixels(0, 2049, 8))}, ["cat"], 422, "image_too_large", "a.png"),
        ({"a.zip": zipped({"../a.png": b"x"})}, ["cat"], 422, "zip_unsafe_name", "../a.png"),
        ({"a.zip": zipped({"x/": b""})}, ["cat"], 422, "no_images", None),
    ],
)
def test_what_cannot_be_protected_is_refused_by_name(
    owner: Owner,
    generator: str,
    store: ObjectStore,
    files: dict[str, bytes],
    labels: list[str],
    status: int,
    code: str,
    param: str | None,
) -> None:
    problem(send(owner, generator, files, *labels), status, code, param)
    assert left_behind(owner, store) == []


def test_other_bodies_are_refused(owner: Owner, generator: str) -> None:
    path = f"/v1/generators/{generator}/protect"
    answer = owner.api.post(path, content=b"x", headers={"Content-Type": "image/png"})
    problem(answer, 415, "content_type_unsupported")
    form = {"Content-Type": "multipart/form-data"}
    problem(owner.api.post(path, content=b"--b\r\nx", headers=form), 400, "form_malformed")
    image = {"photo": ("a.png", b"x")}
    problem(owner.api.post(path, files=image), 422, "field_unknown", "photo")


def test_without_a_free_worker_it_becomes_a_job_whose_file_goes_after_a_while(
    owner: Owner,
    generator: str,
    worker: PlayedWorker,
    store: ObjectStore,
    servers: Settings,
    patience: Patience,
) -> None:
    patience(0.2)
    worker.away = True
    answer = send(owner, generator, {"a.png": encoded(pixels(0))}, "cat")
    assert (answer.status_code, answer.json()["kind"]) == (202, "images")
    address = answer.headers["location"]
    worker.away = False
    deadline = time.monotonic() + 60
    while owner.api.get(address).json()["status"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (made,) = owner.api.get(f"{address}/artifacts").json()["data"]
    assert (made["kind"], made["name"]) == ("protected_images", "protected.png")
    problem(owner.api.get(f"{address}/evaluation"), 409, "evaluation_not_ready")

    expire_images(servers)
    assert len(owner.api.get(f"{address}/artifacts").json()["data"]) == 1
    expire_images(servers.model_copy(update={"keep_images_seconds": 1e-6}))
    purge_jobs(servers.model_copy(update={"lease_seconds": 0.0}))
    assert owner.api.get(f"{address}/artifacts").json()["data"] == []
    assert left_behind(owner, store) == []


def test_what_nobody_finishes_is_given_up(
    owner: Owner,
    generator: str,
    worker: PlayedWorker,
    servers: Settings,
    patience: Patience,
) -> None:
    patience(0.1)
    worker.away = True
    made = send(owner, generator, {"a.png": encoded(pixels(0))}, "cat").json()
    expire_images(servers.model_copy(update={"keep_images_seconds": 1e-6}))
    with transaction() as session:
        assert session.get_one(Job, made["id"]).status == "cancelled"


def test_what_is_cancelled_while_it_comes_in_leaves_nothing(
    owner: Owner, generator: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure may have deleted all that there was, and never looks again."""
    put = ObjectStore.put_bytes

    def put_late(self: ObjectStore, *words: Any) -> None:
        with transaction() as session:
            mine = select(Job.id).where(Job.tenant_id == owner.tenant_id, Job.kind == "images")
            job = lifecycle.lock_job(session, session.scalars(mine).one())
            lifecycle.request_cancel(session, job)
        put(self, *words)

    monkeypatch.setattr(ObjectStore, "put_bytes", put_late)
    answer = send(owner, generator, {"a.png": encoded(pixels(0))}, "cat")
    problem(answer, 409, "job_cancelled")
    assert left_behind(owner, store) == []
    with transaction() as session:
        steps = select(Step.id).where(Step.tenant_id == owner.tenant_id, Step.kind == "images")
        assert session.scalars(steps).all() == []
