"""Training a generator within a time budget: trials, selection, checkpoints, progress."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.algorithm2 import StepFigures, TrialSettings, run_trial
from engine.budget import Pace, mixed, steps_within, surrogate_share
from engine.checkpoint import TrainingState, fingerprint, new_optimizer
from engine.checks import check_images
from engine.frozen import Frozen
from engine.plan import Progress, TrainingPlan
from engine.population import Population, Victim
from engine.randomness import generator as random_generator
from engine.randomness import mini_batches, seeded_module
from engine.schedule import selection_trials, set_lr
from engine.selection import IMAGES, held_out_score, is_better
from engine.surrogates import Surrogates
from engine.tensors import as_float, on_device
from engine.trained import CurvePoint, TrainedGenerator, new_generator
from engine.warm_start import companion, features_to_carry, run_warm_trial, start_classes

_CHECKPOINT_EVERY_SECONDS = 10.0
_TELL_EVERY_SECONDS = 0.3
_PARTS = 10  # of a selection, of which that measurement does one
_PROBE = 30  # steps of surrogates in that measurement
_UNKNOWN = -1  # steps of a training whose speed is still being measured


def train_generator(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    num_classes: int,
    plan: TrainingPlan,
    *,
    checkpoint: bytes | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_checkpoint: Callable[[bytes], None] | None = None,
    is_checkpoint_due: Callable[[], bool] | None = None,
    device: str | None = None,
) -> TrainedGenerator:
    """Train a generator by Algorithm 2 and keep the trial that a held-out part prefers.

    How a time budget and determinism go together: the number of steps is decided once, from the
    speed measured at the start (or is `plan.steps`), and is written into every checkpoint. From
    there on the clock decides nothing. A training resumed from a checkpoint ends bit-identical to
    the uninterrupted one with the same number of steps, on the same kind of CPU with the same
    number of torch threads; if the machine slows down later, the training takes longer than its
    budget. For the same result on another day set `plan.steps`.

    Args:
        images: uint8 (N, H, W, C), C 1 or 3, H and W at least 8. Training images only: the split
            that chooses the best trial is taken from them.
        labels: int64 (N,), 0 .. num_classes - 1.
        num_classes: K >= 2.
        plan: see `TrainingPlan`; `engine.recipe` makes a good one.
        checkpoint: bytes that `on_checkpoint` was given by an earlier run, to go on from there.
        on_progress: told where it stands at least once a second as long as a step takes less than
            that. It may raise to stop the training: what it raises comes out of this call.
        on_checkpoint: given the state as soon as the number of steps has been measured, at the end
            of a trial when one is due, and at the end.
        is_checkpoint_due: asked at the end of a trial; None: every ten seconds.
        device: torch device; None takes the GPU if there is one.

    Raises:
        PlanError: data, plan and checkpoint do not fit together; the message says how.
    """
    plan.check_classes(num_classes)
    check_images(images, labels, num_classes)
    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    x, y = on_device(images, labels, on)
    run = _Run(x, y, num_classes, plan, on_progress)
    if checkpoint is None:
        state = run.fresh_state()
        if on_checkpoint is not None and plan.steps is None:
            # Measured anew, the number of steps would be another one, and so the result.
            on_checkpoint(state.to_bytes())
    else:
        state = TrainingState.from_bytes(checkpoint, on)
        state.check(plan, run.data)
    run.go(state, on_checkpoint, is_checkpoint_due)
    return state.trained()


class _Run:
    """One call of `train_generator`: its data, its clock and its reports."""

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        num_classes: int,
        plan: TrainingPlan,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.plan = plan
        self.num_classes = num_classes
        self.data = fingerprint(x, y, num_classes)
        self.on_progress = on_progress
        self.device = x.device
        order = torch.randperm(len(x), generator=random_generator(plan.seed, "split"))
        held = min(max(1, round(plan.held_out * len(x))), 2000, len(x) - 2)
        self.held = (x[order[:held]], y[order[:held]])
        self.train = (x[order[held:]], y[order[held:]])
        eta = plan.label_map
        leave = eta is not None and plan.untargeted == "leave"
        self.carried = features_to_carry(num_classes, eta, leave=leave).to(x.device)
        if eta is None and plan.outer_loss == "steered":
            eta = tuple((k + 1) % num_classes for k in range(num_classes))
        self.label_map = None if eta is None else torch.tensor(eta, device=x.device)
        self.surrogates: Surrogates | None = None
        self.seconds_before = 0.0
        self.started = time.monotonic()
        self.told = float("-inf")
        self.metrics: dict[str, float] = {}
        self.figures: StepFigures | None = None

    # -- state ---------------------------------------------------------------------------------

    def fresh_state(self) -> TrainingState:
        plan, channels = self.plan, self.train[0].shape[1]
        g_prime = seeded_module(
            lambda: new_generator(plan, channels, self.num_classes), plan.seed, "generator"
        ).to(self.device)
        start_classes(g_prime, plan, self.train, self.carried, self.data)
        state = TrainingState(
            plan=plan,
            data=self.data,
            channels=channels,
            num_classes=self.num_classes,
            total_steps=plan.steps or _UNKNOWN,
            trial=0,
            steps=0,
            seconds=0.0,
            g_prime=g_prime,
            optimizer=new_optimizer(g_prime, plan),
            best=None,
            chosen_trial=0,
            curve=[],
            population=Population(),
        )
        if plan.most_steps == 0 and plan.steps is None:
            state.total_steps = 0
        elif plan.steps is None:
            state.total_steps = self._steps_within_budget(state)
        state.seconds = self._seconds()
        return state

    def _steps_within_budget(self, state: TrainingState) -> int:
        """Measure a few steps of each kind and one selection on copies, and fit the budget."""
        plan = self.plan
        trial = replace(state, g_prime=copy.deepcopy(state.g_prime), population=Population())
        trial.optimizer = new_optimizer(trial.g_prime, plan)
        surrogate = warm = 0.0
        if plan.warm_start == "surrogates":
            before = time.monotonic()
            self._use_surrogates(trial, _PROBE / plan.surrogate_steps)
            surrogate = (time.monotonic() - before) / _PROBE
            warm = self._pace_of(trial, lambda done: self._warm_trial(trial, 6, done))
            if plan.renewals:
                renewal = sum(one.steps for one in plan.renewals) / len(plan.renewals)
                warm += surrogate * renewal / plan.steps_per_trial
        bilevel = 0.0
        for trial.trial in range(len(plan.victims)):
            one = self._pace_of(trial, lambda done: self._trial(trial, 5, done))
            bilevel += one / len(plan.victims)
        self.surrogates = None
        before = time.monotonic()
        self._score(trial, 1 / _PARTS)
        pace = Pace(
            surrogate=surrogate,
            step=bilevel if not warm else mixed(warm, bilevel, plan.warm_fraction),
            selection=_PARTS * (time.monotonic() - before),
        )
        steps = steps_within(
            plan.budget_seconds - self._seconds(),
            pace,
            plan.selections,
            plan.surrogate_steps if plan.warm_start == "surrogates" else 0,
        )
        return min(steps, plan.most_steps or steps)

    def _pace_of(
        self, trial: TrainingState, run: Callable[[Callable[[StepFigures], None]], None]
    ) -> float:
        """Seconds a step; the median, because first steps allocate and others use the machine."""
        times: list[float] = []

        def after_step(_: StepFigures) -> None:
            times.append(time.monotonic())
            self._tell("measuring", trial)

        run(after_step)
        return float(np.median(np.diff(times)))

    # -- the loop ------------------------------------------------------------------------------

    def go(
        self,
        state: TrainingState,
        on_checkpoint: Callable[[bytes], None] | None,
        is_checkpoint_due: Callable[[], bool] | None,
    ) -> None:
        plan = self.plan
        self.seconds_before, self.started = state.seconds, time.monotonic()
        trials = -(-state.total_steps // plan.steps_per_trial)
        selected = selection_trials(trials, plan.selections)
        warm_trials = self._warm_trials(state)
        if plan.warm_start == "surrogates" and (state.trial < warm_trials or plan.keep_surrogates):
            self._use_surrogates(state, surrogate_share(state.total_steps, plan.surrogate_steps))
        if plan.starts_protected and trials and not state.curve:
            self._select(state)  # Algorithm 2 has to do better
        saved = time.monotonic()
        while state.trial < trials:
            count = min(plan.steps_per_trial, state.total_steps - state.steps)
            warm = state.trial < warm_trials
            if warm and plan.warm_start == "surrogates":
                self._warm_trial(state, count, self._after_step(state))
            else:
                self._trial(state, count, self._after_step(state), first_order=warm)
            state.trial += 1
            if state.trial in selected:
                self._select(state)
            state.seconds = self._seconds()
            if is_checkpoint_due is not None:
                due = is_checkpoint_due()
            else:
                due = time.monotonic() - saved > _CHECKPOINT_EVERY_SECONDS
            if on_checkpoint is not None and (due or state.trial == trials):
                saved = time.monotonic()
                on_checkpoint(state.to_bytes())
        self._tell("training", state, force=True)

    def _after_step(self, state: TrainingState) -> Callable[[StepFigures], None]:
        def after_step(figures: StepFigures) -> None:
            state.steps += 1
            set_lr(state)
            self.figures = figures
            self._tell("training", state)

        set_lr(state)
        return after_step

    def _trial(
        self,
        state: TrainingState,
        steps: int,
        after_step: Callable[[StepFigures], None],
        *,
        first_order: bool = False,
    ) -> None:
        network, victim = state.population.at_trial(
            state.trial, steps, self.plan, self.train[0], self.num_classes
        )
        theta = run_trial(
            g_prime=state.g_prime,
            optimizer=state.optimizer,
            victim=network,
            theta=victim.theta,
            batches=self._with_frozen(state, steps),
            settings=TrialSettings(
                victim_lr=self.plan.victim_lr,
                label_map=self.label_map,
                bounded=self.plan.outer_loss != "cross-entropy",
                first_order=first_order,
                companion=self._companion(),
                leave=self.plan.untargeted == "leave",
            ),
            after_step=after_step,
        )
        older = Victim(victim.born, victim.age + steps, theta)
        state.population.keep(state.trial, older, self.plan)

    def _companion(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        if self.surrogates is None or not self.plan.keep_surrogates:
            return None
        return companion(self.surrogates.networks, self.carried)

    def _warm_trial(
        self,
        state: TrainingState,
        steps: int,
        after_step: Callable[[StepFigures], None],
    ) -> None:
        assert self.surrogates is not None
        run_warm_trial(
            state.g_prime,
            state.optimizer,
            self.surrogates.at_trial(state.trial),
            self.carried,
            self._batches(state, steps),
            after_step,
            self.plan.augmentation,
            random_generator(self.plan.seed, "warm-augmentation", state.trial),
        )

    def _batches(self, state: TrainingState, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        (x, y), plan = self.train, self.plan
        for index in mini_batches(
            len(x), plan.batch_size, steps, plan.seed, "batches", state.trial
        ):
            yield as_float(x[index]), y[index]

    def _with_frozen(
        self, state: TrainingState, steps: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The trial's mini-batches, each with x + g(x)."""
        (x, y), plan = self.train, self.plan
        batches = list(
            mini_batches(len(x), plan.batch_size, steps, plan.seed, "batches", state.trial)
        )
        frozen = Frozen(copy.deepcopy(state.g_prime), x, y, batches)
        for index in batches:
            yield as_float(x[index]), y[index], frozen.images(index)

    def _use_surrogates(self, state: TrainingState, share: float) -> None:
        self.surrogates = Surrogates(
            self.plan,
            self.train,
            self.num_classes,
            share,
            after_step=lambda: self._tell("warming", state),
        )
        # The warm start's last trial is the last that renews any.
        self.surrogates.at_trial(min(state.trial, max(0, self._warm_trials(state) - 1)))

    def _warm_trials(self, state: TrainingState) -> int:
        """How many trials begin within the warm start."""
        plan = self.plan
        if plan.warm_start == "none":
            return 0
        return math.ceil(plan.warm_fraction * state.total_steps / plan.steps_per_trial)

    # -- selection -----------------------------------------------------------------------------

    def _select(self, state: TrainingState) -> None:
        point = self._score(state)
        state.curve.append(point)
        best = next((p for p in state.curve if p.trial == state.chosen_trial), point)
        if state.best is None or is_better(point, best):
            state.chosen_trial = point.trial
            state.best = {k: t.detach().clone() for k, t in state.g_prime.state_dict().items()}
        self.metrics["held_out_accuracy"] = point.accuracy
        if point.targeted_success is not None:
            self.metrics["held_out_targeted_success"] = point.targeted_success

    def _score(self, state: TrainingState, share: float = 1.0) -> CurvePoint:
        """Score g' on the held-out images, or on a share of them in that share of the time."""
        held_x, held_y = (part[: math.ceil(share * len(part))] for part in self.held)
        accuracy, success = held_out_score(
            state.g_prime,
            self.train,
            (held_x, held_y),
            self.num_classes,
            self.plan,
            on_progress=lambda _: self._tell("selecting", state),
            images=max(2, math.ceil(share * min(IMAGES, len(self.train[0])))),  # for batch norm
        )
        return CurvePoint(state.trial, state.steps, self._seconds(), accuracy, success)

    # -- reports -------------------------------------------------------------------------------

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _tell(self, phase: str, state: TrainingState, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.on_progress is None or (now - self.told < _TELL_EVERY_SECONDS and not force):
            return
        self.told = now
        if self.figures is not None:  # read here, not at every step: it waits for the device
            self.metrics["victim_loss"] = float(self.figures.victim_loss)
            self.metrics["outer"] = float(self.figures.outer)
        measuring = state.total_steps == _UNKNOWN
        done = state.steps / state.total_steps if state.total_steps else 1.0
        self.on_progress(
            Progress(
                phase="measuring" if measuring else phase,
                step=0 if measuring else state.steps,
                steps=0 if measuring else state.total_steps,
                fraction=0.0 if measuring else done,
                seconds=self._seconds(),
                metrics=dict(self.metrics),
            )
        )
