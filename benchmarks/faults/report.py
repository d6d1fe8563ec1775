"""From rounds to figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.faults.checks import Found


@dataclass
class Round:
    """One round as it is told and counted.

    Attributes:
        number: from 1.
        kind: the fault.
        seconds: the whole round, its checks included.
        recovery_seconds: from the fault until interrupted work goes on; None if none was.
        said: a sentence for each thing that is wrong.
        missed: the job was faster than the fault.
        notes: what else the fault has to tell.
    """

    number: int
    kind: str
    seconds: float
    found: Found
    recovery_seconds: float | None
    said: list[str]
    missed: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summary(rounds: Sequence[Round]) -> dict[str, Any]:
    """`rounds`, the counts, `recovery_seconds`, and the same by kind of fault."""
    return _figures(rounds) | {
        "missed": sum(one.missed for one in rounds),
        "kinds": {
            kind: _figures([one for one in rounds if one.kind == kind])
            for kind in sorted({one.kind for one in rounds})
        },
    }


def _figures(rounds: Sequence[Round]) -> dict[str, Any]:
    total = Found()
    for one in rounds:
        total.add(one.found)
    figures = {"rounds": len(rounds), **asdict(total)}
    for name in ("recovery_seconds", "cancel_seconds", "pause_seconds", "drain_seconds"):
        seconds = [
            value
            for one in rounds
            if (value := one.notes.get(name, getattr(one, name, None))) is not None
        ]
        if seconds or name == "recovery_seconds":
            figures[name] = {
                "median": round(statistics.median(seconds), 2) if seconds else None,
                "max": round(max(seconds), 2) if seconds else None,
                "n": len(seconds),
            }
    figures["seconds_a_round"] = round(sum(one.seconds for one in rounds) / max(len(rounds), 1), 1)
    return figures
