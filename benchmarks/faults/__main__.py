"""Whether the service loses anything when its parts die, tried on a real stack.

    python -m benchmarks.faults --rounds 100 --seed 0 --json

Starts PostgreSQL, Valkey, SeaweedFS, the API, an ingest worker, two compute workers and the
sweeper, protects a tiny dataset twice undisturbed, and then round by round with one fault at a
random moment (`--faults` names them; the seed decides kinds and moments). After each round:

    lost          jobs that were promised and failed, or are not there
    duplicated    jobs, steps or artifacts that are there twice; two final states
    wrong_bytes   results that differ from the undisturbed run's: protected dataset, generator
    stuck         jobs that do not end, steps or processes that outlive their job
    orphans       objects in the store that are nobody's, beyond what the settings retain

`recovery_seconds` is the time from the fault until a step that it interrupted reports progress
again, with the settings of leases and sweeps that `settings` names: the service's defaults unless
told otherwise. Each round is told on stderr as it ends; Ctrl-C ends the run with the figures so
far. Ends with 1 if any count is not 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from typing import Any

import psutil

from benchmarks.faults import checks, report
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.owner import TRAINING_STEPS, Owner, Result
from benchmarks.faults.parts import Parts, running_parts
from benchmarks.faults.trial import Missed, Trial
from core.object_store import ObjectStore
from core.settings import Settings, get_settings

# What a training of seconds needs to be one of several checkpoints, and what a run of minutes needs
# to see leftovers go.
SHORT = {
    "UNLEARNABLE_CHECKPOINT_SECONDS": "0.5",
    "UNLEARNABLE_LEFTOVER_SECONDS": "5",
    "UNLEARNABLE_UNFINISHED_UPLOAD_SECONDS": "30",
}
FIRST_MARK = 1000
# Nobody is interrupted by these: every step must be claimed exactly once.
HARMLESS = {"kill-api", "lose-bells", "deliver-three-times", "claim-at-once", "kill-sweeper"}


def kinds_of(rounds: int, chosen: list[str], rng: random.Random) -> list[str]:
    """Every kind as often as the others, in a random order."""
    order: list[str] = []
    while len(order) < rounds:
        order += rng.sample(chosen, len(chosen))
    return order[:rounds]


class Run:
    """All rounds on one stack."""

    def __init__(self, parts: Parts, options: argparse.Namespace) -> None:
        self.parts = parts
        self.seed = options.seed
        self.patience_seconds = options.patience_seconds
        self.settings = get_settings()
        self.store = ObjectStore.from_settings(self.settings)
        self.owner = Owner(parts.api_url, parts.api_key, options.training_steps)
        self.dataset = self.owner.upload("data")
        self.mark = FIRST_MARK
        self.rounds: list[report.Round] = []
        self._ended: list[tuple[float, report.Round, list[str]]] = []
        self._strays: set[str] = set()
        self.usual_seconds = 0.0
        self.reference, self.usual_seconds = self._undisturbed()

    def _undisturbed(self) -> tuple[Result, float]:
        """The result of a job that nobody disturbs, and how long one takes."""
        results = []
        for _ in range(2):
            trial = self._trial("undisturbed")
            started = time.monotonic()
            trial.submit()
            trial.follow()
            job = self.owner.job(trial.jobs[0])
            if job["status"] != "succeeded":
                raise SystemExit(f"Nobody disturbed it, and it did not succeed: {job}")
            results.append(self.owner.result(trial.jobs[0]))
            tell(f"undisturbed: {time.monotonic() - started:.1f} s, {results[-1]}")
        if results[0] != results[1]:
            raise SystemExit("Two undisturbed runs differ: there is nothing to compare with.")
        return results[0], time.monotonic() - started

    def _trial(self, name: str) -> Trial:
        self.mark += 2
        return Trial(
            parts=self.parts,
            owner=self.owner,
            dataset=self.dataset,
            rng=random.Random(f"{self.seed}/{name}"),  # noqa: S311 - not a secret
            mark=self.mark,
            usual_seconds=self.usual_seconds,
            patience_seconds=self.patience_seconds,
        )

    def play(self, number: int, kind: str) -> report.Round:
        """One round."""
        trial = self._trial(f"{number}/{kind}")
        started = time.monotonic()
        missed = False
        try:
            KINDS[kind](trial)
        except (Missed, psutil.NoSuchProcess):
            missed = True
        self.mark = trial.mark
        ended = trial.follow()
        found, said = checks.check(trial, self.reference, ended=ended)
        if kind in HARMLESS:
            more, sentences = checks.done_twice(trial)
            found.add(more)
            said += sentences
        self.parts.ensure_all_run()
        now = time.monotonic()
        played = report.Round(
            number=number,
            kind=kind,
            seconds=round(now - started, 1),
            found=found,
            recovery_seconds=trial.recovery_seconds and round(trial.recovery_seconds, 2),
            said=said,
            missed=missed or bool(trial.notes.get("missed")),
            notes=trial.notes,
        )
        self.rounds.append(played)
        self._ended.append((now, played, trial.jobs))
        self._look_for_orphans()
        return played

    def _look_for_orphans(self) -> None:
        """Of rounds long enough ago nothing may be left but artifacts."""
        delay = checks.purge_delay(self.settings)
        while self._ended and time.monotonic() - self._ended[0][0] > delay:
            _, played, jobs = self._ended.pop(0)
            strays = set(checks.orphans_of(self.store, jobs)) - self._strays
            self._strays |= strays
            played.found.orphans += len(strays)
            if strays:
                played.said.append(f"orphans: {sorted(strays)}")
                tell(f"round {played.number}, {played.kind}: {played.said[-1]}")

    def close(self) -> dict[str, Any]:
        """Wait until what may be deleted is deleted, and look at everything once more."""
        patience = checks.purge_delay(self.settings)
        if self.rounds:
            time.sleep(patience)
        self._look_for_orphans()
        figures = report.summary(self.rounds)
        deadline = time.monotonic() + patience
        while (strays := set(checks.all_orphans(self.store)) - self._strays) and (
            time.monotonic() < deadline
        ):
            time.sleep(1)
        for stray in sorted(strays):
            tell(f"orphan: {stray}")
        figures["orphans"] += len(strays)
        figures["stuck"] += checks.running_anywhere()
        return figures


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def settings_of(options: argparse.Namespace) -> dict[str, str]:
    """The settings that differ from the service's defaults."""
    extra = dict(SHORT)
    for name in ("lease_seconds", "heartbeat_seconds", "sweep_seconds"):
        if (value := getattr(options, name)) is not None:
            extra[f"UNLEARNABLE_{name.upper()}"] = str(value)
    return extra


def told(settings: Settings) -> dict[str, Any]:
    names = (
        "lease_seconds",
        "heartbeat_seconds",
        "sweep_seconds",
        "checkpoint_seconds",
        "leftover_seconds",
        "unfinished_upload_seconds",
    )
    return {name: getattr(settings, name) for name in names}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", help=f"some of: {','.join(KINDS)}")
    parser.add_argument("--training-steps", type=int, default=TRAINING_STEPS, help="of each job")
    parser.add_argument(
        "--patience-seconds", type=float, default=240.0, help="after which a job counts as stuck"
    )
    for name in ("lease", "heartbeat", "sweep"):
        parser.add_argument(f"--{name}-seconds", type=float, help="the service's default if not")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    options.faults = options.faults.split(",") if options.faults else list(KINDS)
    if unknown := set(options.faults) - set(KINDS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    options = arguments()
    started = time.monotonic()
    order = kinds_of(options.rounds, options.faults, random.Random(options.seed))  # noqa: S311
    with running_parts(settings_of(options)) as parts:
        os.environ.update(parts.settings)
        get_settings.cache_clear()
        run = Run(parts, options)
        try:
            for number, kind in enumerate(order, 1):
                tell(json.dumps(run.play(number, kind).to_json()))
        except KeyboardInterrupt:
            tell("stopped")
        figures = run.close() | {
            "seed": options.seed,
            "seconds": round(time.monotonic() - started, 1),
            "training_steps": options.training_steps,
            "undisturbed_seconds": round(run.usual_seconds, 1),
            "settings": told(run.settings),
        }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")
    counts = ("lost", "duplicated", "wrong_bytes", "stuck", "orphans")
    return int(any(figures[name] for name in counts))


if __name__ == "__main__":
    sys.exit(main())
