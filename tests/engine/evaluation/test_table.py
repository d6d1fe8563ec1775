"""The table tries what the plan says, and its headline is the worst case, in words too."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engine import PlanError, Progress, TrainingStopped
from engine.evaluation.controls import class_patterns
from engine.evaluation.data import Dataset, LabelledImages
from engine.evaluation.protection_table import judged_classes
from engine.evaluation.rows import Row, Spread
from engine.evaluation.table import EvaluationPlan, ProtectionTable, evaluate_protection
from engine.evaluation.victim_training import Learner

QUICK = Learner("small-strided", epochs=2, batch_size=16)
EPSILON = 0.2


def blobs(n: int, seed: int) -> LabelledImages:
    """Three classes told by where a faint square lies, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(60, 140, (n, 12, 12, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4:8, 4 * label : 4 * label + 4] += 60
    return LabelledImages(images, labels)


@pytest.fixture(scope="module")
def clean() -> Dataset:
    return Dataset(blobs(240, 0), blobs(120, 1), 3)


@pytest.fixture(scope="module")
def protected(clean: Dataset) -> np.ndarray:
    return class_patterns(clean.train.images, clean.train.labels, 3, EPSILON, 7)


@pytest.fixture(scope="module")
def plan() -> EvaluationPlan:
    return EvaluationPlan(
        victims=(QUICK, Learner("linear-svm")),
        seeds=(0, 1),
        countermeasures=("grayscale", "blur", "class-mean-subtraction", "adversarial-training"),
        clean_under_countermeasures=True,
    )


@pytest.fixture(scope="module")
def seen() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def table(
    clean: Dataset, protected: np.ndarray, plan: EvaluationPlan, seen: list[Progress]
) -> ProtectionTable:
    return evaluate_protection(
        clean, protected, plan, (1, 2, 0), epsilon=EPSILON, on_progress=seen.append
    )


def test_every_learner_of_the_plan_has_its_row(table: ProtectionTable) -> None:
    plain = [(row.trained_on, row.learner.victim) for row in table.rows[:6]]
    assert plain == [
        ("clean", "small-strided"),
        ("protected", "small-strided"),
        ("clean", "linear-svm"),
        ("protected", "linear-svm"),
        ("random-noise", "small-strided"),
        ("class-patterns", "small-strided"),
    ]
    against = [(row.trained_on, row.learner.countermeasure) for row in table.rows[6:]]
    assert against == [
        (images, name) for name in table.plan.countermeasures for images in ("clean", "protected")
    ]
    for row in table.rows:
        assert len(row.accuracies) == len(row.curves) == 2
        assert sum(map(sum, row.confusion)) == 2 * 120
        assert row.accuracy.mean == pytest.approx(np.mean(row.accuracies))
        assert row.accuracy.std == pytest.approx(np.std(row.accuracies, ddof=1))
        assert all(a <= b for a, b in zip(row.accuracies, row.best_epoch_accuracies, strict=True))
    adversarial = table.rows[-1].learner
    assert adversarial.adversarial_epsilon == EPSILON / 2


def test_the_worst_case_is_the_highest_accuracy_over_counter_measures(
    table: ProtectionTable,
) -> None:
    tried = [row for row in table.rows if row.trained_on == "protected"]
    assert len(tried) == 6
    assert table.worst.accuracy.mean == max(row.accuracy.mean for row in tried)
    assert table.plain.accuracy.mean <= table.worst.accuracy.mean
    assert f"{table.worst.accuracy.mean:.1f} %" in table.verdict.summary
    assert table.baseline.accuracy.mean > 90
    assert table.row("protected", QUICK) is table.plain
    assert table.row("protected", replace(QUICK, epochs=9)) is None


def test_progress_rises_to_one(seen: list[Progress], table: ProtectionTable) -> None:
    shares = [progress.fraction for progress in seen]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert {progress.phase for progress in seen} == {"evaluating"}
    assert len(seen) >= 2 * len(table.rows)


def test_a_table_that_was_cut_short_goes_on_from_its_rows(
    clean: Dataset, protected: np.ndarray, plan: EvaluationPlan, table: ProtectionTable
) -> None:
    kept: dict[str, Row] = {}

    def keep(row: Row) -> None:
        stored = json.dumps(row.to_json(), allow_nan=False)
        kept[row.key] = Row.from_json(json.loads(stored))
        if len(kept) == 4:
            raise TrainingStopped

    with pytest.raises(TrainingStopped):
        evaluate_protection(clean, protected, plan, (1, 2, 0), epsilon=EPSILON, on_row=keep)
    done: list[Row] = []
    again = evaluate_protection(
        clean, protected, plan, (1, 2, 0), epsilon=EPSILON, known=kept, on_row=done.append
    )
    assert [row is kept.get(row.key) for row in done] == [True] * 4 + [False] * 10
    assert [r.accuracies for r in again.rows] == [r.accuracies for r in table.rows]
    assert [r.confusion for r in again.rows] == [r.confusion for r in table.rows]
    assert again.verdict == table.verdict


def test_it_is_readable_as_json_and_as_markdown(table: ProtectionTable) -> None:
    values = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert values["headline"]["worst"]["mean"] == table.worst.accuracy.mean
    assert len(values["rows"]) == len(table.rows)
    text = table.to_markdown()
    assert text.startswith(table.verdict.summary)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == len(table.rows) + 2
    assert len({line.count("|") for line in lines}) == 1
    assert "targeted success" in lines[0]
    assert str(table.worst.accuracy) in text


def test_one_protected_part_brings_the_remainder_as_a_control(clean: Dataset) -> None:
    mask = np.zeros(240, np.bool_)
    mask[:180] = True
    everything = class_patterns(clean.train.images, clean.train.labels, 3, EPSILON, 7)
    images = np.where(mask[:, None, None, None], everything, clean.train.images)
    plan = EvaluationPlan(victims=(QUICK,), seeds=(0,), countermeasures=("grayscale",))
    table = evaluate_protection(clean, images, plan, epsilon=EPSILON, protected_mask=mask)
    (rest,) = (row for row in table.rows if row.trained_on == "remainder")
    assert rest.learner.epochs == 4 * QUICK.epochs  # a quarter of the images, as many steps
    assert rest.accuracy.std is None
    assert rest.targeted is None
    assert "trains on the rest" in table.verdict.summary
    assert f"reaches {rest.accuracy.mean:.1f} %" in table.verdict.summary
    with pytest.raises(PlanError, match="outside protected_mask"):
        evaluate_protection(clean, everything, plan, epsilon=EPSILON, protected_mask=mask)


def test_classes_that_were_to_be_left_alone_are_not_held_against_the_protection(
    clean: Dataset,
) -> None:
    """Images of class 0 look like class 1 and the reverse; class 2 is as it was."""
    images = clean.train.images.copy()
    swapped = np.array([1, 0, 2])[clean.train.labels]
    for k in (0, 1):
        images[swapped == k] = clean.train.images[clean.train.labels == k][: (swapped == k).sum()]
    plan = EvaluationPlan(victims=(QUICK,), seeds=(0, 1), countermeasures=("blur",), controls=())
    tables = {
        untargeted: evaluate_protection(
            clean, images, plan, (1, 0, 2), epsilon=1.0, untargeted=untargeted
        )
        for untargeted in ("leave", "confuse")
    }
    left, confused = tables["leave"], tables["confuse"]
    assert (left.judged, confused.judged) == ((0, 1), None)
    assert (left.test_images, left.chance) == (80, 50.0)
    assert left.rows[1].confusion == confused.rows[1].confusion
    confusion = np.array(left.plain.confusion)
    right = confusion[0, 0] + confusion[1, 1]
    assert left.headline(left.plain).mean == pytest.approx(100 * right / (2 * 80))
    assert left.to_json()["headline"]["plain"]["mean"] < confused.plain.accuracy.mean
    other = 100 * confusion[2, 2] / confusion[2].sum()
    assert f"not protected, it gets {other:.1f} % right" in left.verdict.summary
    assert "not protected, it gets" not in confused.verdict.summary


def test_classes_without_a_protected_image_are_not_judged() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    mask = np.array([1, 0, 1, 1, 0, 0], np.bool_)
    assert judged_classes(labels, mask, 3, None, "confuse") == (0, 1)
    assert judged_classes(labels, mask, 3, (2, 1, 0), "leave") == (0,)
    assert judged_classes(labels, np.ones(6, np.bool_), 3, (0, 2, 1), "confuse") is None


@pytest.mark.parametrize("victim", [QUICK, Learner("linear-svm"), Learner("paper-mnist-cnn")])
def test_a_rest_of_one_image_is_left_out_with_a_note(victim: Learner) -> None:
    data = Dataset(blobs(30, 0), blobs(30, 1), 3)
    mask = np.ones(30, np.bool_)
    mask[7] = False
    plan = EvaluationPlan(
        victims=(replace(victim, epochs=1),), seeds=(0,), countermeasures=(), controls=()
    )
    table = evaluate_protection(data, data.train.images, plan, epsilon=EPSILON, protected_mask=mask)
    assert [row.trained_on for row in table.rows] == ["clean", "protected"]
    assert "the unprotected images are of one class" in table.to_markdown()


def test_what_means_nothing_is_left_out_with_a_note() -> None:
    def gray(part: LabelledImages) -> LabelledImages:
        return part.with_images(part.images[..., :1])

    data = Dataset(gray(blobs(60, 0)), gray(blobs(30, 1)), 3)
    plan = EvaluationPlan(
        victims=(replace(QUICK, epochs=1), replace(QUICK, epochs=1, protocol="paper")),
        seeds=(0,),
        countermeasures=("grayscale",),
        controls=(),
    )
    table = evaluate_protection(data, data.train.images, plan, epsilon=EPSILON)
    assert all(row.learner.countermeasure == "none" for row in table.rows)
    assert [skipped.countermeasure for skipped in table.skipped] == ["grayscale"]
    assert "Not tried: small-strided, grayscale leaves images of one channel" in table.to_markdown()
    assert "paper's protocol" in table.to_markdown()
    assert table.worst.learner.protocol == "honest"
    assert table.verdict.protects is None  # 30 test images are too few
    assert str(Spread(12.34, None)) == "12.3"


def test_controls_meet_the_counter_measures_where_asked(clean: Dataset) -> None:
    plan = EvaluationPlan(
        victims=(replace(QUICK, epochs=1),),
        seeds=(0,),
        countermeasures=("blur",),
        controls=("class-patterns",),
        controls_under_countermeasures=True,
    )
    table = evaluate_protection(clean, clean.train.images, plan, epsilon=EPSILON)
    assert [(row.trained_on, row.learner.countermeasure) for row in table.rows] == [
        ("clean", "none"),
        ("protected", "none"),
        ("class-patterns", "none"),
        ("protected", "blur"),
        ("class-patterns", "blur"),
    ]
    # Nothing was moved: what the "protected" row learns is what the clean one learns.
    assert table.rows[0].accuracies == table.rows[1].accuracies
    assert table.verdict.protects is False
    assert "a fixed random pattern per class, which costs nothing" in table.verdict.summary
    assert "at most past a fixed random pattern per class" in table.verdict.summary


def test_images_and_plans_that_do_not_fit_are_refused(
    clean: Dataset, protected: np.ndarray
) -> None:
    plan = EvaluationPlan(victims=(QUICK,), seeds=(0,))
    with pytest.raises(PlanError, match="like the clean ones"):
        evaluate_protection(clean, protected[:10], plan, epsilon=EPSILON)
    with pytest.raises(PlanError, match="a pixel moved by 51/255, more than 25/255"):
        evaluate_protection(clean, protected, plan, epsilon=0.1)
    with pytest.raises(PlanError, match="from 0 to 2"):
        evaluate_protection(clean, protected, plan, (1, 2, -3), epsilon=EPSILON)
    with pytest.raises(PlanError, match="label_map has 2 entries"):
        evaluate_protection(clean, protected, plan, (1, 0), epsilon=EPSILON)
    nobody = np.zeros(240, np.bool_)
    with pytest.raises(PlanError, match="nothing is protected"):
        evaluate_protection(clean, protected, plan, epsilon=EPSILON, protected_mask=nobody)
    for wrong, message in (
        ({"victims": ()}, "at least one"),
        ({"victims": (replace(QUICK, countermeasure="blur"),)}, "plain learners"),
        ({"victims": (replace(QUICK, protocol="paper"),)}, "honestly"),
        ({"seeds": (1, 1)}, "twice"),
        ({"countermeasures": ("none",)}, "always tried"),
        ({"countermeasures": ("prayer",)}, "no counter-measure"),
        ({"countermeasures": ("blur", "blur")}, "named twice"),
        ({"controls": ("protected",)}, "no control"),
        ({"countermeasure_victims": -1}, "0 or more"),
    ):
        with pytest.raises(PlanError, match=message):
            EvaluationPlan(**wrong)
