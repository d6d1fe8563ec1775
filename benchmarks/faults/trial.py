"""One round: a job or two, a fault at a random moment, and what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psutil

from benchmarks.faults import state
from benchmarks.faults.owner import Json, Owner, has_ended
from benchmarks.faults.parts import Parts
from core import steps
from worker.attempt import process_name

POLL_SECONDS = 0.1
T = TypeVar("T")


class Missed(Exception):
    """The moment for the fault has passed: the job ended before it."""


@dataclass
class Trial:
    """The hands of a fault.

    Attributes:
        rng: decides every moment of this round.
        mark: tells this round's jobs from all others.
        usual_seconds: how long an undisturbed job takes.
        patience_seconds: after which a job counts as stuck.
        jobs: ids of the jobs that were asked for, and were promised.
        expected: the final states that are right for them.
        recovery_seconds: from the fault until the interrupted steps report progress again.
        notes: what else is worth telling of the round.
    """

    parts: Parts
    owner: Owner
    dataset: str
    rng: random.Random
    mark: int
    usual_seconds: float
    patience_seconds: float
    jobs: list[str] = field(default_factory=list)
    expected: frozenset[str] = frozenset({"succeeded"})
    recovery_seconds: float | None = None
    notes: Json = field(default_factory=dict)
    _hurt_at: float = 0.0
    _interrupted: list[state.StepState] = field(default_factory=list)

    # -- before the fault ------------------------------------------------------------------------

    def submit(self) -> str:
        """Start this round's job."""
        self.jobs.append(self.owner.submit(self.dataset, self.mark))
        return self.jobs[-1]

    def submit_and_wait(self, latest: float = 0.9) -> None:
        """Start this round's job, and wait until a random moment of its life."""
        self.submit()
        moment = self.rng.uniform(0.0, latest) * self.usual_seconds
        self.notes["moment"] = round(moment, 2)
        time.sleep(moment)

    def wait_for_phase(self, phase: str) -> Json:
        """The job once it is in a phase, or a little later.

        Raises:
            Missed: it ended before.
        """
        job = self._wait(lambda: self.owner.job(self.jobs[-1]), lambda job: job["phase"] == phase)
        time.sleep(self.rng.uniform(0.0, 1.0))
        return job

    def wait_for_status(self, status: str) -> None:
        """Wait until the job has a status.

        Raises:
            Missed: it ended before.
        """
        self._wait(lambda: self.owner.job(self.jobs[-1]), lambda job: job["status"] == status)

    def _wait(self, ask: Callable[[], T], until: Callable[[T], bool]) -> T:
        deadline = time.monotonic() + self.patience_seconds
        while not until(answer := ask()):
            if self._all_ended() or time.monotonic() > deadline:
                raise Missed
            time.sleep(POLL_SECONDS)
        return answer

    def attempt(self, kind: str | None = None) -> psutil.Process:
        """A process that runs a step of this round now; waits for one between two steps.

        Raises:
            Missed: the job ended before there was one.
        """

        def look() -> list[psutil.Process]:
            names = {
                process_name(step.id)
                for step in state.running_steps(self.jobs)
                if kind is None or step.kind == kind
            }
            return [one for one in self.parts.attempts() if _name(one) in names]

        return self.rng.choice(self._wait(look, bool))

    def step_of(self, attempt: psutil.Process) -> str:
        """The id of the step that a process runs.

        Raises:
            Missed: it does not run any more.
        """
        for step in state.running_steps(self.jobs):
            if process_name(step.id) == _name(attempt):
                return step.id
        raise Missed

    def _all_ended(self) -> bool:
        return all(has_ended(self.owner.job(job_id)) for job_id in self.jobs)

    # -- the fault -------------------------------------------------------------------------------

    def hurt(self) -> None:
        """The fault happens now: its recovery is timed from here."""
        self._interrupted = state.running_steps(self.jobs)
        self._hurt_at = time.monotonic()

    def pause(self, least: float, most: float) -> float:
        """Let a random time pass; the seconds that it took."""
        seconds = self.rng.uniform(least, most)
        time.sleep(seconds)
        return seconds

    # -- after the fault -------------------------------------------------------------------------

    def follow(self) -> bool:
        """Follow all jobs to their ends. False if one does not get there."""
        deadline = time.monotonic() + self.patience_seconds
        while not self._all_ended():
            self._watch_recovery()
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        self._watch_recovery()
        return True

    def _watch_recovery(self) -> None:
        """Recovered is who was taken up again and has moved, or has ended, since."""
        if not self._interrupted or self.recovery_seconds is not None:
            return
        now = {step.id: step for job_id in self.jobs for step in state.steps_of(job_id)}
        again = [
            after
            for before in self._interrupted
            if (after := now[before.id]).token > before.token
            and (after.progress != before.progress or after.status == steps.DONE)
        ]
        if again:
            self.recovery_seconds = time.monotonic() - self._hurt_at


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
