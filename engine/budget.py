"""How many steps fit into a wall-clock budget. Decided once; see `engine.train_generator`."""

from __future__ import annotations

from dataclasses import dataclass

_SURROGATE_STEPS = 630
_LEAST_SHARE = 0.3


@dataclass(frozen=True)
class Pace:
    """Measured seconds: of a surrogate's step (0 without them), a training step, a selection."""

    surrogate: float
    step: float
    selection: float


def surrogate_steps(total_steps: int) -> int:
    """Steps that all surrogates of the warm start get together.

    They come first even when time is short: what g learns from badly trained surrogates misleads
    nobody else.
    """
    return min(_SURROGATE_STEPS, 3 * total_steps)


def steps_within(seconds: float, pace: Pace, selections: int) -> int:
    """Training steps that fit into the seconds left, beside surrogates and selections.

    At least 1, and never less than a part of the budget's worth: where selections alone would eat
    it up, the training takes longer than asked rather than doing nothing.
    """
    left = max(seconds - selections * pace.selection, _LEAST_SHARE * seconds)
    steps = int((left - _SURROGATE_STEPS * pace.surrogate) / pace.step)
    if 3 * steps < _SURROGATE_STEPS:
        steps = int(left / (pace.step + 3 * pace.surrogate))
    return max(1, steps)
