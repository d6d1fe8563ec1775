"""How many steps fit into a wall-clock budget. Decided once; see `engine.train_generator`."""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_SHARE = 0.3


@dataclass(frozen=True)
class Pace:
    """Measured seconds: of a surrogate's step (0 without them), a training step, a selection."""

    surrogate: float
    step: float
    selection: float


def mixed(warm: float, bilevel: float, warm_fraction: float) -> float:
    """Seconds of a step on average, where that share of the steps is the warm start's."""
    return warm_fraction * warm + (1.0 - warm_fraction) * bilevel


def surrogate_share(total_steps: int, surrogate_steps: int) -> float:
    """Share of the plan's surrogate steps that a training of `total_steps` gives them.

    They come first even when time is short: what g learns from badly trained surrogates misleads
    nobody else.
    """
    return min(1.0, 3 * total_steps / max(surrogate_steps, 1))


def steps_within(seconds: float, pace: Pace, selections: int, surrogate_steps: int) -> int:
    """Training steps that fit into the seconds left, beside surrogates and selections.

    At least 1, and never less than a part of the budget's worth: where selections alone would eat
    it up, the training takes longer than asked rather than doing nothing.
    """
    left = max(seconds - selections * pace.selection, _LEAST_SHARE * seconds)
    steps = int((left - surrogate_steps * pace.surrogate) / pace.step)
    if 3 * steps < surrogate_steps:
        steps = int(left / (pace.step + 3 * pace.surrogate))
    return max(1, steps)
