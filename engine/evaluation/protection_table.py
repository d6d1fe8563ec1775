"""What was measured on one protected dataset, and what it means.

The headline is the learner who gets most out of the protected images, beside the one who does
nothing special; both are in the verdict. Where some classes are not protected at all, because
another one was chosen for none of them or because no image of them was perturbed, the headline and
the verdict are about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.evaluation_plan import EvaluationPlan
from engine.evaluation.learner import Learner
from engine.evaluation.rows import (
    TRAINED_ON_IN_WORDS,
    Row,
    Skipped,
    Spread,
    TrainedOn,
    learner_in_words,
    markdown_row,
)
from engine.evaluation.verdict import FreeControl, OtherClasses, Verdict, WorstCase, judge
from engine.plan import Untargeted, integer_bound


@dataclass(frozen=True)
class ProtectionTable:
    """What was measured, and what it means.

    Attributes:
        plan: what was tried.
        rows: in the order of the trainings.
        skipped: what was asked for and means nothing for these images.
        epsilon: the owner's bound.
        label_map: eta, or None.
        judged: the classes that headline and verdict are about; None is all of them.
        chance: accuracy of always answering the largest class of their test images, in percent.
        test_images: how many clean images of them every accuracy was measured on.
        verdict: in words.
    """

    plan: EvaluationPlan
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    epsilon: float
    label_map: tuple[int, ...] | None
    judged: tuple[int, ...] | None
    chance: float
    test_images: int
    verdict: Verdict

    def row(self, trained_on: TrainedOn, learner: Learner) -> Row | None:
        """The row of that learner on those images, if it was tried."""
        return _find(self.rows, trained_on, learner)

    @property
    def baseline(self) -> Row:
        """The first victim, trained on the clean images."""
        return _expect(self.rows, "clean", self.plan.victims[0])

    @property
    def plain(self) -> Row:
        """The first victim, trained on the protected images by a learner who does nothing else."""
        return _expect(self.rows, "protected", self.plan.victims[0])

    @property
    def worst(self) -> Row:
        """The learner who got most out of the protected images, honestly measured."""
        return _worst(self.rows, self.judged)

    def headline(self, row: Row) -> Spread:
        """The accuracy of a row on the judged classes."""
        return row.accuracy_on(self.judged)

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "plan": asdict(self.plan),
            "epsilon": self.epsilon,
            "label_map": None if self.label_map is None else list(self.label_map),
            "judged": None if self.judged is None else list(self.judged),
            "chance": self.chance,
            "test_images": self.test_images,
            "headline": {
                "baseline": asdict(self.headline(self.baseline)),
                "plain": asdict(self.headline(self.plain)),
                "worst": asdict(self.headline(self.worst)),
                "worst_learner": _worst_in_words(self.worst),
            },
            "verdict": asdict(self.verdict),
            "rows": [row.to_json() for row in self.rows],
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    def to_markdown(self) -> str:
        """The verdict, the headline and the rows, for a person to read."""
        targeted = self.label_map is not None
        titles = ["trained on", "victim", "counter-measure", "clean-test accuracy", "best epoch"]
        titles += ["targeted success"] if targeted else []
        titles.append("train accuracy")
        seeds = len(self.plan.seeds)
        headline = (
            f"Worst case **{self.headline(self.worst)} %** ({_worst_in_words(self.worst)}), plain "
            f"training **{self.headline(self.plain)} %**, trained on clean images "
            f"{self.headline(self.baseline)} %."
        )
        measured = (
            f"Percent; {'mean ± standard deviation over ' if seeds > 1 else ''}{seeds} "
            f"seed{'s' if seeds > 1 else ''}; {self.test_images} clean test images; chance "
            f"{self.chance:.1f}; epsilon {integer_bound(self.epsilon)}/255."
        )
        lines = [
            *(self.verdict.summary, "", headline, "", measured, ""),
            "| " + " | ".join(titles) + " |",
            "|" + " --- |" * len(titles),
            *(markdown_row(row, targeted=targeted) for row in self.rows),
        ]
        if self.skipped:
            lines += ["", *(f"Not tried: {s.victim}, {s.reason}." for s in self.skipped)]
        return "\n".join(lines) + "\n"


def judged_classes(
    labels: NDArray[np.int64],
    mask: NDArray[np.bool_],
    num_classes: int,
    label_map: tuple[int, ...] | None,
    untargeted: Untargeted,
) -> tuple[int, ...] | None:
    """The classes that are protected; None if all are.

    Args:
        labels: int64 (N,), of the training images.
        mask: bool (N,), which of them are protected.
        num_classes: K.
        label_map: eta, or None.
        untargeted: "leave" if classes that eta maps to themselves were to stay learnable.
    """
    touched = np.bincount(labels[mask], minlength=num_classes) > 0
    if label_map is not None and untargeted == "leave":
        touched &= np.array(label_map) != np.arange(num_classes)
    return None if touched.all() else tuple(int(k) for k in np.flatnonzero(touched))


def assemble(
    plan: EvaluationPlan,
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    test_labels: NDArray[np.int64],
    *,
    epsilon: float,
    label_map: tuple[int, ...] | None,
    judged: tuple[int, ...] | None = None,
) -> ProtectionTable:
    """The table of rows that were trained, here or elsewhere, with its verdict.

    Args:
        plan: what was tried; the rows of its first victim, plain, must be there.
        rows: in the order of `jobs_of`.
        skipped: from `jobs_of`.
        test_labels: int64 (M,), of the clean test images.
        epsilon: the owner's bound.
        label_map: eta, or None.
        judged: see `judged_classes`.
    """
    rows = tuple(rows)
    counts = np.bincount(test_labels)
    if judged is not None:
        counts = counts[[k for k in judged if k < len(counts)]]
    images = int(counts.sum())
    chance = 100.0 * int(counts.max(initial=0)) / max(images, 1)
    return ProtectionTable(
        plan=plan,
        rows=rows,
        skipped=tuple(skipped),
        epsilon=epsilon,
        label_map=label_map,
        judged=judged,
        chance=chance,
        test_images=images,
        verdict=_verdict(rows, plan, judged, chance, images),
    )


def _verdict(
    rows: tuple[Row, ...],
    plan: EvaluationPlan,
    judged: tuple[int, ...] | None,
    chance: float,
    images: int,
) -> Verdict:
    first = plan.victims[0]
    clean, protected = _expect(rows, "clean", first), _expect(rows, "protected", first)
    worst = None
    tried = _honest_protected(rows)
    if len(tried) > 1:
        row = _worst(rows, judged)
        worst = WorstCase(
            _worst_in_words(row),
            row.accuracy_on(judged).mean,
            len(tried),
            any(one.learner.countermeasure != "none" for one in tried),
        )
    controls = [_control(rows, control, plan, judged) for control in plan.controls]
    success = protected.targeted_success
    rest = next((row for row in rows if row.trained_on == "remainder"), None)
    return judge(
        clean.accuracy_on(judged).mean,
        protected.accuracy_on(judged).mean,
        chance,
        images,
        None if success is None else success.mean,
        worst=worst,
        controls=controls,
        remainder=None if rest is None else rest.accuracy_on(judged).mean,
        others=None if judged is None else _others(clean, protected, judged),
    )


def _others(clean: Row, protected: Row, judged: tuple[int, ...]) -> OtherClasses | None:
    others = tuple(k for k in range(len(clean.confusion)) if k not in judged)
    if not any(sum(clean.confusion[k]) for k in others):
        return None  # none of their images is in the test set
    return OtherClasses(
        len(judged), clean.accuracy_on(others).mean, protected.accuracy_on(others).mean
    )


def _control(
    rows: tuple[Row, ...],
    control: TrainedOn,
    plan: EvaluationPlan,
    judged: tuple[int, ...] | None,
) -> FreeControl:
    plain = _expect(rows, control, plan.victims[0]).accuracy_on(judged).mean
    tried = [row for row in rows if row.trained_on == control]
    if len(tried) == 1:
        return FreeControl(TRAINED_ON_IN_WORDS[control], plain)
    learners = {row.learner for row in tried}
    same = [r for r in rows if r.trained_on == "protected" and r.learner in learners]
    worst, trained_worst = (max(r.accuracy_on(judged).mean for r in part) for part in (tried, same))
    return FreeControl(TRAINED_ON_IN_WORDS[control], plain, worst, trained_worst)


def _honest_protected(rows: tuple[Row, ...]) -> list[Row]:
    return [r for r in rows if r.trained_on == "protected" and r.learner.protocol == "honest"]


def _worst(rows: tuple[Row, ...], judged: tuple[int, ...] | None) -> Row:
    return max(_honest_protected(rows), key=lambda row: row.accuracy_on(judged).mean)


def _worst_in_words(row: Row) -> str:
    name = row.learner.countermeasure
    how = "without counter-measure" if name == "none" else f"with {name}"
    return f"{learner_in_words(row.learner)} {how}"


def _find(rows: tuple[Row, ...], trained_on: TrainedOn, learner: Learner) -> Row | None:
    return next((r for r in rows if (r.trained_on, r.learner) == (trained_on, learner)), None)


def _expect(rows: tuple[Row, ...], trained_on: TrainedOn, learner: Learner) -> Row:
    row = _find(rows, trained_on, learner)
    assert row is not None, f"no row for {learner.victim} on {trained_on}"
    return row
