"""Ten rounds of faults on a real stack: nothing is lost, done twice or left behind."""

import json
import random
import subprocess
import sys

import pytest

from benchmarks.faults.__main__ import kinds_of
from benchmarks.faults.checks import Found
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.report import Round, summary

# Those that need no waiting beyond a short lease.
QUICK = (
    "kill-training",
    "kill-worker",
    "kill-api-at-submission",
    "restart-valkey",
    "restart-postgres",
    "restart-seaweedfs",
    "full-scratch",
    "expire-lease",
    "cancel-training",
    "cancel-protecting",
)
NOTHING = {"lost": 0, "duplicated": 0, "wrong_bytes": 0, "stuck": 0, "orphans": 0}


@pytest.mark.timeout(900)
def test_ten_rounds_lose_nothing() -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.faults", "--json", "--rounds=10", "--seed=4"),
            *(f"--faults={','.join(QUICK)}", "--training-steps=60"),
            "--patience-seconds=600",
            *("--lease-seconds=4", "--heartbeat-seconds=1", "--sweep-seconds=1"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(run.stdout)
    assert figures["rounds"] == 10
    assert {name: figures[name] for name in NOTHING} == NOTHING
    assert set(figures["kinds"]) == set(QUICK)
    assert all(kind["rounds"] == 1 for kind in figures["kinds"].values())


def test_every_kind_comes_as_often_as_the_others() -> None:
    order = kinds_of(2 * len(KINDS), list(KINDS), random.Random(0))  # noqa: S311
    assert sorted(order) == sorted([*KINDS, *KINDS])
    assert kinds_of(5, list(KINDS), random.Random(0)) == order[:5]  # noqa: S311


def test_figures_are_summed_over_rounds_and_by_kind() -> None:
    rounds = [
        Round(1, "kill-worker", 30.0, Found(), 28.0, []),
        Round(2, "kill-worker", 40.0, Found(lost=1), 38.0, ["lost"]),
        Round(3, "cancel-queued", 2.0, Found(), None, [], notes={"cancel_seconds": 0.5}),
    ]
    figures = summary(rounds)
    assert (figures["rounds"], figures["lost"], figures["stuck"]) == (3, 1, 0)
    assert figures["recovery_seconds"] == {"median": 33.0, "max": 38.0, "n": 2}
    assert figures["kinds"]["cancel-queued"]["recovery_seconds"]["max"] is None
    assert figures["kinds"]["cancel-queued"]["cancel_seconds"]["max"] == 0.5
    assert figures["kinds"]["kill-worker"]["lost"] == 1
