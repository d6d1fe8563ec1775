"""Jobs from their first step to their results, with everything that owners may ask for."""

import io
import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from sqlalchemy import select

from core import erasure, lifecycle, steps
from core.database import transaction
from core.ids import new_id
from core.job_options import JobOptions
from core.object_store import ObjectStore, dataset_prefix, job_prefix, tenant_prefix
from core.settings import get_settings
from core.tables import Artifact, Dataset, Erasure, Generator, Job, Speed, Step
from engine import Learner, TrainingPlan, train_generator
from tests.worker.conftest import Arrays, begin_next, finish, start
from worker import attempt, flow
from worker.erasure import erase_datasets

QUICK = {
    "recipe": "paper-mnist",
    "training_steps": 2,
    "conditioning": "label",
    "victims": ["small-strided"],
}


def new_job(dataset: Dataset, label_map: list[int] | None = None, **options: object) -> str:
    with transaction() as session:
        job = Job(
            id=new_id("job"),
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
            status=lifecycle.QUEUED,
            epsilon="1/5",
            label_map=label_map,
            seed=3,
            budget_seconds=10,
            options=JobOptions.model_validate(QUICK | options).model_dump(mode="json"),
        )
        session.add(job)
        return job.id


def artifacts(job: Job, store: ObjectStore) -> dict[str, bytes]:
    with transaction() as session:
        rows = session.scalars(select(Artifact).where(Artifact.job_id == job.id)).all()
    return {row.name: store.get_bytes(row.object_key) for row in rows}


def test_a_part_is_protected_and_everything_is_tried(
    dataset: Dataset, arrays: Arrays, store: ObjectStore
) -> None:
    job_id = new_job(
        dataset,
        [1, 1, 2],
        untargeted="leave",
        protected_fraction={"fraction": 0.5},
        evaluation={
            "victims": [{"victim": "small-strided", "epochs": 1}, "linear-svm"],
            "seeds": [0, 1],
            "countermeasures": ["blur", "grayscale"],
            "controls": ["random-noise"],
        },
    )
    job = finish(job_id, "train")
    evaluation = job.evaluation
    assert evaluation is not None
    assert evaluation["judged_classes"] == [0]
    assert evaluation["test_images"] == 40
    assert evaluation["protected_images"] == 30
    assert [one["countermeasure"] for one in evaluation["skipped"]] == ["grayscale"]
    names = ("trained_on", "victim", "countermeasure")
    sides = [tuple(row[name] for name in names) for row in evaluation["rows"]]
    assert sides == [
        ("clean", "small-strided", "none"),
        ("protected", "small-strided", "none"),
        ("clean", "linear-svm", "none"),
        ("protected", "linear-svm", "none"),
        ("remainder", "small-strided", "none"),
        ("random-noise", "small-strided", "none"),
        ("protected", "small-strided", "blur"),
    ]
    assert len(evaluation["victims"]) == 2 * len(sides)
    assert evaluation["verdict"]["summary"]

    files = artifacts(job, store)
    with np.load(io.BytesIO(files["protected.npz"])) as after:
        moved = np.abs(after["x_train"].astype(int) - arrays["x_train"]).max((1, 2))
    assert (moved > 0).sum() == 30
    assert moved.max() == evaluation["linf"] <= 51
    assert files["report.html"].startswith(b"<!doctype html>")
    figures = {name for name in files if name.startswith("figure")}
    assert figures == {
        f"figure-{name}.{kind}"
        for name in ("learning-curves", "confusion", "counter-measures")
        for kind in ("png", "pdf")
    }
    assert all(files[name].startswith((b"\x89PNG", b"%PDF-")) for name in figures)
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json"}


def test_a_generator_stays_and_protects_other_images(
    dataset: Dataset,
    upload: Callable[[Arrays], Dataset],
    arrays: Arrays,
    store: ObjectStore,
) -> None:
    quick = [{"victim": "small-strided", "epochs": 1}]
    short = {"evaluation": {"victims": quick, "countermeasures": []}}
    first = finish(new_job(dataset, **short), "train")
    with transaction() as session:
        mine = select(Step).where(Step.job_id == first.id).order_by(Step.id)
        sides = [(step.kind, step.payload.get("side")) for step in session.scalars(mine)]
    # The baseline is there, for other workers, before the protected images are.
    assert sides[:3] == [("train", None), ("baseline", "clean"), ("protect", None)]
    with transaction() as session:
        generator = session.scalars(select(Generator).where(Generator.job_id == first.id)).one()
        speeds = {row.name for row in session.scalars(select(Speed))}
    assert generator.training["plan"]["epsilon"] == pytest.approx(0.2)
    assert {"train/paper-mnist", "protect", "evaluate/small-strided"} <= speeds
    weights = artifacts(first, store)["generator.safetensors"]
    assert store.get_bytes(generator.object_key) == weights

    backwards = {name: arrays[name][::-1] for name in ("x_train", "y_train")}
    other = upload(arrays | backwards)
    job_id = new_job(other, **short)
    with transaction() as session:
        row = session.get_one(Job, job_id)
        row.kind, row.generator_id = "application", generator.id
    second = finish(job_id, "protect")
    assert second.evaluation is not None
    assert second.evaluation["seconds_training"] == generator.training["seconds"]
    files = artifacts(second, store)
    assert "generator.safetensors" not in files
    with (
        np.load(io.BytesIO(files["protected.npz"])) as after,
        np.load(io.BytesIO(artifacts(first, store)["protected.npz"])) as before,
    ):
        # The same images in another order: the same protected bytes.
        np.testing.assert_array_equal(after["x_train"][::-1], before["x_train"])
    with transaction() as session:
        assert session.scalar(select(Generator).where(Generator.job_id == second.id)) is None

    erased = erase(dataset)
    assert {file["sha256"] for file in erased.files} >= {dataset.sha256, generator.sha256}
    kept = (dataset_prefix(other.tenant_id, other.id), job_prefix(other.tenant_id, second.id))
    left = list(store.keys(tenant_prefix(dataset.tenant_id)))
    assert [key for key in left if not key.startswith(kept)] == []
    assert artifacts(second, store) == files


def test_a_training_goes_on_as_it_began_although_its_recipe_is_another_now(
    dataset: Dataset, arrays: Arrays, store: ObjectStore
) -> None:
    evaluation = {"victims": [{"victim": "small-strided", "epochs": 1}], "countermeasures": []}
    job_id = new_job(dataset, recipe="robust", evaluation=evaluation)
    began = TrainingPlan(epsilon=0.2, steps=4, steps_per_trial=2, batch_size=8, width=8)
    saved: list[bytes] = []
    train_generator(
        arrays["x_train"][..., None],
        arrays["y_train"].astype(np.int64),
        3,
        began,
        on_checkpoint=saved.append,
        is_checkpoint_due=lambda: True,
    )
    key = job_prefix(dataset.tenant_id, job_id) + "checkpoint"
    store.put_bytes(key, saved[0])
    job = finish(job_id, "train", checkpoint_key=key)
    assert job.evaluation is not None
    assert TrainingPlan.from_json(job.evaluation["plan"]) == began


def test_colour_images_get_textures_without_any_step(
    upload: Callable[[Arrays], Dataset], arrays: Arrays, store: ObjectStore
) -> None:
    grays = {name: arrays[name] for name in ("x_train", "x_test")}
    colour = arrays | {name: np.stack([gray] * 3, axis=-1) for name, gray in grays.items()}
    evaluation = {"victims": [{"victim": "small-strided", "epochs": 1}], "countermeasures": []}
    nothing = {"recipe": "auto", "training_steps": None, "conditioning": None, "victims": None}
    job = finish(new_job(upload(colour), evaluation=evaluation, **nothing), "train")
    assert job.evaluation is not None
    assert job.evaluation["plan"]["most_steps"] == 0
    with transaction() as session:
        kept = session.scalars(select(Generator).where(Generator.job_id == job.id)).one()
    assert kept.training["summary"]["steps"] == 0
    with np.load(io.BytesIO(artifacts(job, store)["protected.npz"])) as protected:
        moved = np.abs(protected["x_train"].astype(int) - colour["x_train"])
    # A texture of +51 or -51 everywhere, as far as there is room; tanh(2) of epsilon.
    inside = (colour["x_train"] >= 51) & (colour["x_train"] <= 204)
    assert set(np.unique(moved[inside])) == {round(51 * np.tanh(2.0))}


def test_a_baseline_is_trained_before_anything_is_protected(dataset: Dataset) -> None:
    job_id = new_job(dataset)
    payload = {"side": "clean", "seed": 0, **asdict(Learner("small-strided", epochs=1))}
    start(job_id, "train")
    training = begin_next()
    assert training is not None
    with transaction() as session:
        flow.add_baselines(session, training[0], [payload])
    baseline = begin_next()
    assert baseline is not None
    attempt.run(baseline[0])
    with transaction() as session:
        mine = select(Step).where(Step.job_id == job_id, Step.kind == "baseline")
        step = session.scalars(mine).one()
    assert step.status == steps.DONE
    assert step.result is not None
    assert step.result["accuracy"] > 0


def erase(dataset: Dataset) -> Erasure:
    """Have a dataset and what was made of it erased, and return the receipt."""
    with transaction() as session:
        row = erasure.request(session, dataset.tenant_id, dataset.id)
        assert row is not None
        erasure_id = row.id
    # No worker has written for as long as a lease lasts.
    erase_datasets(get_settings().model_copy(update={"lease_seconds": 0}))
    with transaction() as session:
        receipt = session.get_one(Erasure, erasure_id)
    assert receipt.completed_at is not None
    return receipt


def test_any_two_datasets_are_compared(
    dataset: Dataset, upload: Callable[[Arrays], Dataset], arrays: Arrays, store: ObjectStore
) -> None:
    moved = arrays["x_train"].copy()
    moved[:45] += 9
    protected = upload(arrays | {"x_train": moved})
    quick = [{"victim": "small-strided", "epochs": 1}]
    job_id = new_job(dataset, evaluation={"victims": quick, "countermeasures": []})
    with transaction() as session:
        row = session.get_one(Job, job_id)
        row.kind, row.compared_dataset_id = "evaluation", protected.id
    job = finish(job_id, "compare", {"dataset_id": protected.id})
    assert job.evaluation is not None
    assert (job.evaluation["linf"], job.evaluation["protected_images"]) == (9, 45)
    assert [row["trained_on"] for row in job.evaluation["rows"]] == [
        "clean",
        "protected",
        "remainder",
    ]
    assert job.evaluation["seconds_training"] is None
    assert set(artifacts(job, store)) == {
        "preview.png",
        "evaluation.json",
        "report.html",
        "figure-learning-curves.png",
        "figure-learning-curves.pdf",
        "figure-confusion.png",
        "figure-confusion.pdf",
        "manifest.json",
    }


def test_datasets_that_are_no_pair_are_refused_by_name(dataset: Dataset) -> None:
    job_id = new_job(dataset)
    with transaction() as session:
        row = session.get_one(Job, job_id)
        row.kind, row.compared_dataset_id = "evaluation", dataset.id
    with pytest.raises(AssertionError, match="datasets_identical"):
        finish(job_id, "compare", {"dataset_id": dataset.id})
