"""Large datasets are perturbed by several workers, to the same bytes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core import steps
from core.database import transaction
from core.object_store import ObjectStore
from core.settings import Settings
from core.tables import Dataset
from engine import TrainedGenerator, TrainingPlan, protect_images
from engine.trained import Summary, new_generator
from tests.worker.played_jobs import add_dataset, do, empty_queue, job_of, start_job, take
from worker import flow
from worker.context import StepContext, open_context
from worker.layouts import CANONICAL_FILES, Limits, load_canonical, read_archive
from worker.shard_ranges import ranges
from worker.shards import fetch_range, gather
from worker.steps import perturb

CLASSES, SIDE = 3, 8


def summary_of(train: int, test: int, test_split: str) -> dict[str, object]:
    return {
        "layout": "npz",
        "classes": ["0"],
        "counts": {"train": {"0": train}, "test": {"0": test}},
        "image_shape": [2, 3, 1],
        "test_split": test_split,
        "notes": [],
    }


@pytest.mark.parametrize(
    ("train", "test", "test_split", "shard_bytes", "expected"),
    [
        (10, 5, "given", 60, [(0, 10)]),
        (10, 5, "given", 59, [(0, 5), (5, 10)]),
        (10, 5, "cut", 60, [(0, 7), (7, 15)]),
        (2, 0, "given", 1, [(0, 1), (1, 2)]),
    ],
)
def test_ranges_are_chosen_by_bytes(
    train: int, test: int, test_split: str, shard_bytes: int, expected: list[tuple[int, int]]
) -> None:
    assert ranges(summary_of(train, test, test_split), shard_bytes) == expected


@pytest.fixture
def dataset(
    servers: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Dataset]:
    """A ready dataset in the store whose test part was cut; five shards."""
    empty_queue()
    random = np.random.default_rng(6)
    labels = np.arange(60) % CLASSES
    images = random.integers(0, 256, (60, SIDE, SIDE), dtype=np.uint8)
    np.savez(tmp_path / "upload.npz", x_train=images, y_train=labels)
    summary = read_archive(tmp_path / "upload.npz", tmp_path, Limits(), lambda *_: None)
    made = add_dataset()
    prefix = f"tenants/{made.tenant_id}/datasets/{made.id}/canonical/"
    store = ObjectStore.from_settings(servers)
    for name in CANONICAL_FILES:
        store.put_file(tmp_path / name, prefix + name)
    with transaction() as session:
        row = session.get_one(Dataset, made.id)
        row.summary, row.canonical_prefix = summary.to_json(), prefix
    small = servers.model_copy(
        update={"shard_bytes": 60 * SIDE * SIDE // 5, "scratch_dir": tmp_path / "scratch"}
    )
    for module in ("worker.flow", "worker.context"):
        monkeypatch.setattr(f"{module}.get_settings", lambda: small)
    yield row
    shutil.rmtree(tmp_path / "scratch")


def published(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    data = load_canonical(folder)
    return (
        np.concatenate([data.train_images, data.test_images]),
        np.concatenate([data.train_labels, data.test_labels]),
    )


def test_shards_together_are_what_one_step_would_make(dataset: Dataset, tmp_path: Path) -> None:
    images, labels = published(tmp_path)
    plan = TrainingPlan(epsilon=0.1)
    untrained = Summary(steps=0, trials=0, seconds=0.0, curve=(), chosen_trial=0)
    network = new_generator(plan, 1, CLASSES).eval()
    generator = TrainedGenerator(network, plan, 1, CLASSES, untrained)
    job_id = start_job(dataset)
    training = take(job_id)
    key = f"tenants/{dataset.tenant_id}/jobs/{job_id}/generator"
    with open_context(training) as context:
        context.store.put_bytes(key, generator.to_bytes())
    with transaction() as session:
        flow.advance(session, training, {"generator": {"object_key": key}})
    claims = [take(job_id) for _ in range(5)]
    assert {claim.kind for claim in claims} == {"perturb"}
    assert job_of(job_id).phase == "protecting"
    for claim in reversed(claims):
        finish(claim)
    claim = take(job_id)
    assert claim.kind == "protect"
    with open_context(claim) as context:
        together = gather(context, images)
    whole = protect_images(generator, images, labels)
    assert together is not None
    assert np.array_equal(together, whole)
    assert not np.array_equal(together, images)


def finish(claim: steps.Claim) -> None:
    with open_context(claim) as context:
        result = perturb.run(context)
    with transaction() as session:
        flow.advance(session, claim, result)


def test_a_range_is_read_across_the_cut(dataset: Dataset, tmp_path: Path) -> None:
    images, labels = published(tmp_path)
    with open_context(take(start_job(dataset))) as context:
        assert isinstance(context, StepContext)
        for start, stop in ((0, 1), (45, 60), (48, 52), (0, 60)):
            some, their = fetch_range(context, start, stop)
            assert np.array_equal(some, images[start:stop])
            assert np.array_equal(their, labels[start:stop])


def test_a_small_dataset_is_protected_in_one_step(servers: Settings) -> None:
    empty_queue()
    made = add_dataset()
    with transaction() as session:
        session.get_one(Dataset, made.id).summary = summary_of(10, 5, "given")
    job_id = start_job(made)
    assert [do(job_id), do(job_id)] == ["train", "protect"]


def test_steps_of_an_earlier_version_still_protect(dataset: Dataset) -> None:
    """A `protect` that was queued before there were shards finds none, and does it all."""
    job_id = start_job(dataset)
    do(job_id)
    with transaction() as session:
        job = job_of(job_id)
        steps.enqueue(
            session,
            kind="protect",
            pool="compute",
            tenant_id=job.tenant_id,
            dataset_id=job.dataset_id,
            job_id=job.id,
        )
    claim = take(job_id)
    while claim.kind != "protect":
        claim = take(job_id)
    with open_context(claim) as context:
        assert gather(context, np.zeros((60, SIDE, SIDE, 1), np.uint8)) is None
