"""The table of one protected dataset: what every learner that was tried gets out of it.

All trainings start from the saved 8-bit images.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.countermeasures import Prepared, prepare
from engine.evaluation.data import Dataset
from engine.evaluation.evaluation_plan import CONTROLS, EvaluationPlan, jobs_of, weight_of
from engine.evaluation.measures import largest_change
from engine.evaluation.protection_table import ProtectionTable, assemble, judged_classes
from engine.evaluation.rows import Row, TrainedOn, row_key
from engine.evaluation.training_images import training_images
from engine.evaluation.victim_training import FittedVictim, Learner, fit_prepared
from engine.plan import PlanError, Progress, Untargeted, integer_bound

if TYPE_CHECKING:
    from engine.protect import Images

__all__ = ["EvaluationPlan", "ProtectionTable", "Row", "evaluate_protection"]

OnProgress = Callable[[Progress], None]

_TELL_SECONDS = 0.3


def evaluate_protection(
    clean: Dataset,
    protected_images: Images,
    plan: EvaluationPlan,
    label_map: tuple[int, ...] | None = None,
    *,
    epsilon: float,
    untargeted: Untargeted = "confuse",
    protected_mask: NDArray[np.bool_] | None = None,
    on_progress: OnProgress | None = None,
    on_row: Callable[[Row], None] | None = None,
    known: Mapping[str, Row] | None = None,
    device: str | None = None,
) -> ProtectionTable:
    """Train every learner of the plan on every form of the images, and judge.

    Args:
        clean: training and test images; the test images are clean and unseen by any training.
        protected_images: uint8, like clean.train.images: what the owner publishes. Where only a
            part is protected, the other images are the clean ones.
        plan: what to try.
        label_map: eta, if the protection is targeted.
        epsilon: the owner's bound, of the range [0, 1].
        untargeted: of the plan of the generator. Under "leave" the classes that eta maps to
            themselves were to stay learnable: headline and verdict are about the others.
        protected_mask: bool (N,), which training images are protected; None is all. With a rest,
            the first victim is also trained on that rest alone.
        on_progress: phase "evaluating"; told at least once a second; what it raises ends the call.
        on_row: given every row as it is done, known ones too.
        known: rows by `Row.key` of an earlier call for the same images that was cut short; they
            are taken over, not trained again.
        device: torch device; None takes the GPU if there is one.

    Raises:
        PlanError: images that do not fit together, or that move further than epsilon.
    """
    mask = np.ones(len(clean.train), np.bool_) if protected_mask is None else protected_mask
    _check(clean, protected_images, mask, label_map, epsilon)
    run = _Run(clean, protected_images, mask, plan, epsilon, device, on_progress)
    jobs, skipped = jobs_of(plan, clean, mask, epsilon)
    run.total = sum(run.weight(*job) for job in jobs) * len(plan.seeds)
    rows: list[Row] = []
    for trained_on, learner in jobs:
        row = (known or {}).get(row_key(trained_on, learner, plan.seeds))
        if row is None:
            row = run.row(trained_on, learner, label_map)
        else:
            run.done += run.weight(trained_on, learner) * len(plan.seeds)
        rows.append(row)
        if on_row is not None:
            on_row(row)
    return assemble(
        plan,
        rows,
        skipped,
        clean.test.labels,
        epsilon=epsilon,
        label_map=label_map,
        judged=judged_classes(clean.train.labels, mask, clean.num_classes, label_map, untargeted),
    )


class _Run:
    """The trainings of one table: the images they learn from, and how far they are."""

    def __init__(
        self,
        clean: Dataset,
        protected_images: Images,
        mask: NDArray[np.bool_],
        plan: EvaluationPlan,
        epsilon: float,
        device: str | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.clean, self.protected, self.mask = clean, protected_images, mask
        self.plan, self.epsilon, self.device = plan, epsilon, device
        self.on_progress = on_progress
        self.started = self.told = time.monotonic()
        self.total = self.done = 0.0
        # The last preparation only: a JPEG pass over the images is worth keeping for all seeds and
        # victims of a counter-measure, and no more than one copy of them is held.
        self._prepared: tuple[tuple[str, str, int | None], Prepared] | None = None

    def weight(self, trained_on: TrainedOn, learner: Learner) -> float:
        """How long one training takes, in mini-batches."""
        rest = trained_on == "remainder"
        return weight_of(learner, int((~self.mask).sum()) if rest else len(self.mask))

    def row(
        self, trained_on: TrainedOn, learner: Learner, label_map: tuple[int, ...] | None
    ) -> Row:
        """One training per seed."""
        reports = [self._fit(trained_on, learner, seed).report for seed in self.plan.seeds]
        return Row.of(trained_on, learner, self.plan.seeds, reports, label_map)

    def _fit(self, trained_on: TrainedOn, learner: Learner, seed: int) -> FittedVictim:
        key = (trained_on, learner.countermeasure, seed if trained_on in CONTROLS else None)
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = None  # so that two sets of images are never held at once
            prepared = prepare(
                training_images(
                    trained_on, self.clean, self.protected, self.mask, self.epsilon, seed
                ),
                self.clean.test,
                self.clean.num_classes,
                learner.countermeasure,
                tick=self._tick,
            )
            self._prepared = key, prepared
        weight = self.weight(trained_on, learner)

        def on_progress(progress: Progress) -> None:
            self._tell(self.done + weight * progress.fraction, progress.metrics)

        fitted = fit_prepared(
            self._prepared[1], learner, seed=seed, on_progress=on_progress, device=self.device
        )
        self.done += weight
        self._tell(self.done, {"accuracy": fitted.report.accuracy})
        return fitted

    def _tick(self) -> None:
        if time.monotonic() - self.told > _TELL_SECONDS:
            self._tell(self.done, {})

    def _tell(self, done: float, metrics: dict[str, float]) -> None:
        self.told = time.monotonic()
        if self.on_progress is not None:
            share = min(1.0, done / self.total)
            seconds = self.told - self.started
            self.on_progress(
                Progress("evaluating", round(done), round(self.total), share, seconds, metrics)
            )


def _check(
    clean: Dataset,
    protected_images: Images,
    mask: NDArray[np.bool_],
    label_map: tuple[int, ...] | None,
    epsilon: float,
) -> None:
    before = clean.train.images
    if protected_images.dtype != np.uint8 or protected_images.shape != before.shape:
        raise PlanError(
            f"protected images must be uint8 {before.shape} like the clean ones, not "
            f"{protected_images.dtype} {protected_images.shape}"
        )
    if mask.dtype != np.bool_ or mask.shape != (len(before),):
        raise PlanError(f"protected_mask must be bool ({len(before)},)")
    if not mask.any():
        raise PlanError("protected_mask names no image: nothing is protected")
    moved, bound = largest_change(before, protected_images), integer_bound(epsilon)
    if moved > bound:
        raise PlanError(f"a pixel moved by {moved}/255, more than {bound}/255 of this epsilon")
    if not mask.all() and largest_change(before[~mask], protected_images[~mask]) > 0:
        raise PlanError("an image outside protected_mask differs from the clean one")
    if label_map is not None and len(label_map) != clean.num_classes:
        raise PlanError(f"label_map has {len(label_map)} entries for {clean.num_classes} classes")
    if label_map is not None and not all(0 <= k < clean.num_classes for k in label_map):
        raise PlanError(f"label_map must name classes from 0 to {clean.num_classes - 1}")
