"""The rows of a protection table, as plain values that can be stored and read back."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from engine.evaluation.learner import Learner, VictimReport
from engine.evaluation.measures import targeted_success

TrainedOn = Literal["clean", "protected", "remainder", "random-noise", "class-patterns"]

TRAINED_ON_IN_WORDS: dict[str, str] = {
    "clean": "clean images",
    "protected": "protected images",
    "remainder": "unprotected images only",
    "random-noise": "random noise of the same epsilon",
    "class-patterns": "a fixed random pattern per class",
}


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over the seeds; no deviation from a single seed."""

    mean: float
    std: float | None

    @classmethod
    def of(cls, values: tuple[float, ...]) -> Spread:
        """The spread of at least one value."""
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        return f"{self.mean:.1f}" + ("" if self.std is None else f" ± {self.std:.1f}")


@dataclass(frozen=True)
class Row:
    """One way of learning from one form of the training images, over several seeds.

    Attributes:
        trained_on: which images.
        learner: how they were learned from.
        seeds: of the trainings; the tuples below have one entry a seed, percent where not said.
        accuracies: on the clean test images, after the last epoch.
        best_epoch_accuracies: the highest of all epochs.
        train_accuracies: on the images that were trained on, running mean of the last epoch.
        targeted: targeted success rates; None without a label map.
        curves: the test accuracy after each epoch.
        confusion: (K, K) counts over all seeds, true class (row) by predicted class (column).
        seconds: of all trainings together.
    """

    trained_on: TrainedOn
    learner: Learner
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    best_epoch_accuracies: tuple[float, ...]
    train_accuracies: tuple[float, ...]
    targeted: tuple[float, ...] | None
    curves: tuple[tuple[float, ...], ...]
    confusion: tuple[tuple[int, ...], ...]
    seconds: float

    @classmethod
    def of(
        cls,
        trained_on: TrainedOn,
        learner: Learner,
        seeds: tuple[int, ...],
        reports: Sequence[VictimReport],
        label_map: tuple[int, ...] | None,
    ) -> Row:
        """The row of one training a seed, `reports` in the order of `seeds`."""
        targeted = None
        if label_map is not None:
            rates = tuple(targeted_success(report.confusion, label_map) for report in reports)
            targeted = None if any(math.isnan(rate) for rate in rates) else rates
        confusion = np.sum([report.confusion for report in reports], axis=0)
        return cls(
            trained_on=trained_on,
            learner=learner,
            seeds=seeds,
            accuracies=tuple(report.accuracy for report in reports),
            best_epoch_accuracies=tuple(report.best_epoch_accuracy for report in reports),
            train_accuracies=tuple(report.train_accuracy for report in reports),
            targeted=targeted,
            curves=tuple(report.curve for report in reports),
            confusion=tuple(tuple(int(count) for count in row) for row in confusion),
            seconds=sum(report.seconds for report in reports),
        )

    @property
    def key(self) -> str:
        """What the row is, for `known` of `evaluate_protection`: images, learner and seeds."""
        return row_key(self.trained_on, self.learner, self.seeds)

    @property
    def accuracy(self) -> Spread:
        """Clean-test accuracy after the last epoch, over the seeds."""
        return Spread.of(self.accuracies)

    def accuracy_on(self, classes: Sequence[int] | None) -> Spread:
        """The same on the test images of some classes, without a deviation; None is `accuracy`."""
        if classes is None:
            return self.accuracy
        images = sum(sum(self.confusion[k]) for k in classes)
        right = sum(self.confusion[k][k] for k in classes)
        return Spread(100.0 * right / max(images, 1), None)

    @property
    def best_epoch_accuracy(self) -> Spread:
        """Clean-test accuracy of each seed's best epoch, over the seeds."""
        return Spread.of(self.best_epoch_accuracies)

    @property
    def targeted_success(self) -> Spread | None:
        """Targeted success rate over the seeds; None without a label map."""
        return None if self.targeted is None else Spread.of(self.targeted)

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values, with the figures that are computed from it."""
        success = self.targeted_success
        return {
            **asdict(self),
            "accuracy": asdict(self.accuracy),
            "best_epoch_accuracy": asdict(self.best_epoch_accuracy),
            "targeted_success": None if success is None else asdict(success),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Row:
        """A row from `to_json`."""
        targeted = values["targeted"]
        return cls(
            trained_on=values["trained_on"],
            learner=Learner(**values["learner"]),
            seeds=tuple(values["seeds"]),
            accuracies=tuple(values["accuracies"]),
            best_epoch_accuracies=tuple(values["best_epoch_accuracies"]),
            train_accuracies=tuple(values["train_accuracies"]),
            targeted=None if targeted is None else tuple(targeted),
            curves=tuple(tuple(curve) for curve in values["curves"]),
            confusion=tuple(tuple(row) for row in values["confusion"]),
            seconds=values["seconds"],
        )


@dataclass(frozen=True)
class Skipped:
    """A row that was asked for and means nothing for these images, and why, in words."""

    victim: str
    countermeasure: str
    reason: str


def row_key(trained_on: TrainedOn, learner: Learner, seeds: tuple[int, ...]) -> str:
    """A row's name, unique within a table; it holds everything but the images and the label map."""
    radius = learner.adversarial_epsilon
    parts = [
        trained_on,
        learner.victim,
        learner.countermeasure + ("" if radius is None else f"@{radius:.4g}"),
        f"{learner.epochs} epochs of {learner.batch_size} at {learner.peak_lr:g}",
        learner.augmentation,
        learner.protocol,
        "seeds " + ",".join(map(str, seeds)),
    ]
    return " / ".join(parts)


def learner_in_words(learner: Learner) -> str:
    """A victim and what is particular about its training, such as "resnet-18, crop-flip"."""
    parts = [learner.victim]
    if learner.augmentation != "none":
        parts.append(learner.augmentation)
    if learner.protocol == "paper":
        parts.append("paper's protocol")
    return ", ".join(parts)


def markdown_row(row: Row, *, targeted: bool) -> str:
    """The row as a line of a Markdown table; `targeted` adds that column."""
    cells = [
        TRAINED_ON_IN_WORDS[row.trained_on],
        learner_in_words(row.learner),
        "-" if row.learner.countermeasure == "none" else row.learner.countermeasure,
        str(row.accuracy),
        str(row.best_epoch_accuracy),
    ]
    if targeted:
        success = row.targeted_success
        shown = success is not None and not math.isnan(success.mean)
        cells.append(str(success) if shown else "-")
    cells.append(str(Spread.of(row.train_accuracies)))
    return "| " + " | ".join(cells) + " |"
