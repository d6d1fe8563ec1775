"""The figures of an evaluation, as files with a sentence for who cannot see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from engine.evaluation.figures import (
    ConfusionPanel,
    ConfusionPanels,
    CountermeasureBars,
    CountermeasureRow,
    DescribedFigure,
    LearningCurves,
    LearningPanel,
    draw_confusions,
    draw_countermeasures,
    draw_learning_curves,
    save_figure,
)
from engine.evaluation.protection_table import ProtectionTable
from engine.evaluation.rows import TRAINED_ON_IN_WORDS
from engine.plan import integer_bound

_MOST_CLASSES = 40  # a confusion matrix of more cannot be read
_LONGEST_NAME = 20
KINDS: tuple[Literal["png", "pdf"], ...] = ("png", "pdf")


@dataclass(frozen=True)
class Drawn:
    """A figure on disk.

    Attributes:
        path: the PNG.
        title: a few words.
        description: what it shows, for readers who cannot see it.
        pdf: the same for print; None of what is made of pixels.
    """

    path: Path
    title: str
    description: str
    pdf: Path | None = None

    @property
    def files(self) -> list[Path]:
        """Every form of it."""
        return [self.path] if self.pdf is None else [self.path, self.pdf]


def save(name: str, title: str, figure: DescribedFigure, data: Any, folder: Path) -> Drawn:
    """Write a figure as PNG and as PDF."""
    png, pdf = (
        save_figure(figure, data, folder / f"figure-{name}", kind=kind).picture for kind in KINDS
    )
    return Drawn(png, title, figure.description, pdf)


def draw_figures(
    table: ProtectionTable,
    trainings: Sequence[dict[str, Any]],
    dataset: str,
    classes: Sequence[str],
    folder: Path,
) -> list[Drawn]:
    """Every figure that the table has numbers for.

    Args:
        table: the evaluation.
        trainings: payload and result of each training, together in one dict.
        dataset: its name.
        classes: names in label order; both are the owner's words, and not to be trusted.
        folder: where to write.
    """
    first = table.plan.victims[0]
    dataset = plain(dataset)
    drawn = [_curves(table, trainings, dataset)]
    if len(classes) <= _MOST_CLASSES:
        drawn.append(
            (
                "confusion",
                "Which class the victim answers",
                *_with(
                    draw_confusions,
                    ConfusionPanels(
                        dataset,
                        first.victim,
                        tuple(
                            ConfusionPanel(
                                f"trained on {TRAINED_ON_IN_WORDS[row.trained_on]}",
                                np.asarray(row.confusion, np.int64),
                                table.label_map,
                            )
                            for row in (table.baseline, table.plain)
                        ),
                        tuple(plain(name) for name in classes),
                    ),
                ),
            )
        )
    if table.plan.countermeasures:
        drawn.append(_countermeasures(table, dataset))
    return [save(*sketch, folder) for sketch in drawn]


Sketch = tuple[str, str, DescribedFigure, Any]


def _with(draw: Any, data: Any) -> tuple[DescribedFigure, Any]:
    return draw(data), data


def _curves(table: ProtectionTable, trainings: Sequence[dict[str, Any]], dataset: str) -> Sketch:
    first, seed = table.plan.victims[0], table.plan.seeds[0]
    panels = []
    for side in ("clean", "protected"):
        one = next(
            training
            for training in trainings
            if (training["side"], training["seed"]) == (side, seed)
            and (training["victim"], training["countermeasure"]) == (first.victim, "none")
        )
        lines = {
            "training images": tuple(one["train_curve"]),
            "clean test images": tuple(one["curve"]),
        }
        panels.append(LearningPanel(f"trained on {side} images", lines))
    chance = (
        100.0 * max(map(sum, table.baseline.confusion)) / sum(map(sum, table.baseline.confusion))
    )
    data = LearningCurves(dataset, first.victim, tuple(panels), chance)
    return "learning-curves", "Accuracy while the victim learns", draw_learning_curves(data), data


def _countermeasures(table: ProtectionTable, dataset: str) -> Sketch:
    first = table.plan.victims[0]
    rows = []
    for name in ("none", *table.plan.countermeasures):
        by_side = {
            row.trained_on: row.accuracies
            for row in table.rows
            if (row.learner.victim, row.learner.countermeasure) == (first.victim, name)
        }
        if "protected" in by_side:
            controls = {
                TRAINED_ON_IN_WORDS[side]: by_side[side]
                for side in table.plan.controls
                if side in by_side
            }
            rows.append(
                CountermeasureRow(name, by_side["protected"], by_side.get("clean", ()), controls)
            )
    data = CountermeasureBars(
        dataset,
        f"epsilon {integer_bound(table.epsilon)}/255, {first.victim}",
        tuple(rows),
        table.baseline.accuracy.mean,
        table.chance,
    )
    title = "What a learner regains by counter-measures"
    return "counter-measures", title, draw_countermeasures(data), data


def plain(name: str) -> str:
    """An owner's word as matplotlib draws it: no formula, and nothing without a glyph."""
    kept = "".join(c if c.isascii() and c.isprintable() else "?" for c in name).replace("$", r"\$")
    return kept if len(kept) <= _LONGEST_NAME else kept[: _LONGEST_NAME - 3] + "..."
