"""An evaluation in steps comes to the same as one in a single call, and its report is safe."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from core.job_options import EvaluationOptions, JobOptions
from core.tables import Job
from engine import PlanError, evaluate_protection
from engine.evaluation.controls import class_patterns
from engine.evaluation.countermeasures import prepare
from engine.evaluation.protection_table import ProtectionTable
from engine.evaluation.training_images import training_images
from engine.evaluation.victim_training import fit_prepared
from worker.drawings import draw_figures
from worker.evaluation import Design, dataset_of, design, learner_of, result_of, table_of
from worker.layouts import Canonical, DatasetSummary, Limits
from worker.plans import evaluation_plan, protected_masks
from worker.report_page import report_page

EPSILON = 0.2
HOSTILE = ["<script>alert(1)</script>", "$\\frac{", '"><img src=x>']


def stripes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = draw.integers(0, 60, (n, 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 2 : label * 2 + 3] += 150
    return images, labels


@pytest.fixture(scope="module")
def data() -> Canonical:
    (train, train_labels), (test, test_labels) = stripes(90, 0), stripes(30, 1)
    summary = DatasetSummary(
        layout="npz",
        classes=HOSTILE,
        counts={"train": dict.fromkeys(HOSTILE, 30), "test": dict.fromkeys(HOSTILE, 10)},
        image_shape=(8, 8, 1),
        test_split="given",
        notes=[],
    )
    names = {"train": [""] * 90, "test": [""] * 30}
    return Canonical(
        summary,
        Limits(),
        names,
        {},
        train,
        train_labels,
        test,
        test_labels,  # type: ignore[arg-type]
    )


OPTIONS = EvaluationOptions.model_validate(
    {
        "victims": [{"victim": "small-strided", "epochs": 2}, "linear-svm"],
        "seeds": [0, 1],
        "countermeasures": ["grayscale", "blur"],
        "controls": ["random-noise"],
    }
)


@pytest.fixture(scope="module")
def trained(data: Canonical) -> tuple[ProtectionTable, list[dict[str, object]], ProtectionTable]:
    """A table of steps, their trainings, and the table of a single call."""
    clean = dataset_of(data)
    protected = class_patterns(clean.train.images, clean.train.labels, 3, EPSILON, 7)
    mask = np.ones(90, np.bool_)
    plan = evaluation_plan(OPTIONS, data.summary)
    job = Job(options={"evaluation": OPTIONS.model_dump(mode="json")}, label_map=[1, 2, 0])
    written = design(job, data, mask, epsilon=EPSILON, untargeted="confuse")
    stored = Design(**json.loads(json.dumps(asdict(written))))
    results = []
    for payload in reversed(stored.trainings):
        learner = learner_of(payload)
        images = training_images(payload["side"], clean, protected, mask, EPSILON, payload["seed"])
        prepared = prepare(images, clean.test, 3, learner.countermeasure)
        report = fit_prepared(prepared, learner, seed=payload["seed"]).report
        results.append({"payload": payload, "result": json.loads(json.dumps(result_of(report)))})
    table = table_of(stored, plan, results, clean.test.labels)
    trainings = [{**one["payload"], **one["result"]} for one in results]
    return table, trainings, evaluate_protection(clean, protected, plan, (1, 2, 0), epsilon=EPSILON)


def test_steps_come_to_the_same_table(
    trained: tuple[ProtectionTable, list[dict[str, object]], ProtectionTable],
) -> None:
    table, trainings, at_once = trained
    assert [row.key for row in table.rows] == [row.key for row in at_once.rows]
    assert [row.confusion for row in table.rows] == [row.confusion for row in at_once.rows]
    assert (table.verdict, table.skipped) == (at_once.verdict, at_once.skipped)
    assert len(trainings) == 2 * len(table.rows)
    assert [one.countermeasure for one in table.skipped] == ["grayscale"]


def test_the_report_needs_nothing_else_and_escapes_the_owners_words(
    trained: tuple[ProtectionTable, list[dict[str, object]], ProtectionTable], tmp_path: Path
) -> None:
    table, trainings, _ = trained
    figures = draw_figures(table, trainings, HOSTILE[0], HOSTILE, tmp_path)
    assert [figure.path.name for figure in figures] == [
        "figure-learning-curves.png",
        "figure-confusion.png",
        "figure-counter-measures.png",
    ]
    page = report_page(
        table, figures, dataset=HOSTILE[2], subject=HOSTILE[0], footer="x", extra=[("a", "b")]
    )
    assert "<script" not in page
    assert "<img src=x>" not in page
    assert "&lt;script&gt;" in page
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert table.verdict.summary.split("%")[0] in page
    assert str(table.headline(table.worst)) in page
    assert page.count("<tr") == 1 + len(table.rows)


def job(fraction: dict[str, object] | None) -> Job:
    options = JobOptions.model_validate({"protected_fraction": fraction})
    return Job(seed=3, options=options.model_dump(mode="json"))


def test_which_images_are_protected() -> None:
    train, test = np.repeat([0, 1, 2], 20), np.repeat([0, 1, 2], 2)
    everything, all_tests = protected_masks(job(None), train, test)
    assert everything.all()
    assert all_tests.all()
    some, few = protected_masks(job({"fraction": 0.5}), train, test)
    assert (some.sum(), few.sum()) == (30, 3)
    assert (protected_masks(job({"fraction": 0.5}), train, test)[0] == some).all()
    whole, whole_tests = protected_masks(job({"fraction": 0.3, "by": "class"}), train, test)
    assert set(train[whole]) == set(test[whole_tests])
    assert whole.sum() == 20
    named, named_tests = protected_masks(job({"classes": [0, 2]}), train, test)
    assert (set(train[named]), set(test[named_tests])) == ({0, 2}, {0, 2})
    assert not protected_masks(job({"fraction": 0.05}), train, test)[1].any()
    with pytest.raises(PlanError, match="rounds to none"):
        protected_masks(job({"fraction": 0.001}), train, test)
