"""What must hold after a round."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from benchmarks.faults import state
from benchmarks.faults.owner import Result
from benchmarks.faults.trial import Trial
from core import lifecycle, steps
from core.object_store import ObjectStore, job_prefix
from core.settings import Settings
from core.tables import Artifact, Dataset, Job, Step

TRAININGS = ("baseline", "evaluate")  # of which a job has several
SETTLE_SECONDS = 10.0  # for a worker that was fenced off to notice


@dataclass
class Found:
    """What was wrong, in jobs, results, steps or processes, and objects."""

    lost: int = 0
    duplicated: int = 0
    wrong_bytes: int = 0
    stuck: int = 0
    orphans: int = 0

    def any(self) -> bool:
        return bool(sum(vars(self).values()))

    def add(self, other: Found) -> None:
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)


def check(trial: Trial, reference: Result, *, ended: bool) -> tuple[Found, list[str]]:
    """Look at a round from all sides but the store's.

    Returns:
        The counts, and a sentence for each thing that is wrong.
    """
    found, said = Found(), []
    if not ended:
        found.stuck += 1
        said.append("a job does not end")
    for job_id in trial.jobs:
        job = trial.owner.job(job_id)
        status = job["status"]
        if status in lifecycle.FINAL and status not in trial.expected:
            found.lost += 1
            said.append(f"{job_id} has {status}: {job['error']}")
        if len(endings := state.endings_of(job_id)) > 1:
            found.duplicated += 1
            said.append(f"{job_id} has ended as {endings}")
        if status == lifecycle.SUCCEEDED and trial.owner.result(job_id) != reference:
            found.wrong_bytes += 1
            said.append(f"{job_id} made {trial.owner.result(job_id)}")
        for what, names in (
            ("artifacts", state.artifacts_of(job_id)),
            ("steps", [s.kind for s in state.steps_of(job_id) if s.kind not in TRAININGS]),
        ):
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                found.duplicated += 1
                said.append(f"{job_id} has {what} twice: {twice}")
    marks = range(trial.mark - len(trial.jobs) + 1, trial.mark + 1)
    promised = {job_id for mark in marks for job_id in state.jobs_marked(mark)}
    if unknown := promised - set(trial.jobs):
        found.duplicated += len(unknown)
        said.append(f"asked for once, started twice: {unknown}")
    if missing := set(trial.jobs) - promised:
        found.lost += len(missing)
        said.append(f"promised and not there: {missing}")
    if left := _left_behind(trial):
        found.stuck += len(left)
        said.append(f"still running: {left}")
    return found, said


def done_twice(trial: Trial) -> tuple[Found, list[str]]:
    """For rounds in which nobody was interrupted: every step has been claimed exactly once."""
    again = [
        f"{step.kind} {step.token} times"
        for job_id in trial.jobs
        for step in state.steps_of(job_id)
        if step.token > 1
    ]
    return Found(duplicated=len(again)), [f"claimed again: {again}"] if again else []


def _left_behind(trial: Trial) -> list[str]:
    """Steps and processes that outlive their jobs."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        left = [f"step {step.id}" for step in state.running_steps(trial.jobs)]
        left += [f"process {one.pid}" for one in trial.parts.attempts()]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def orphans_of(store: ObjectStore, job_ids: Iterable[str]) -> list[str]:
    """Objects of jobs that have ended which are nobody's: neither artifacts nor needed later."""
    strays = []
    for job_id in job_ids:
        tenant = state.job_of(job_id).tenant_id
        kept = state.artifact_keys(job_id)
        strays += [key for key in store.keys(job_prefix(tenant, job_id)) if key not in kept]
    return strays


def all_orphans(store: ObjectStore) -> list[str]:
    """Every object of the bucket that no row speaks of, and every unfinished upload."""
    artifacts, datasets = state.look(
        lambda session: (
            set(session.scalars(select(Artifact.object_key))),
            session.scalars(select(Dataset).where(Dataset.status == lifecycle.READY)).all(),
        )
    )
    uploads = {dataset.upload_key for dataset in datasets}
    canonical = tuple(d.canonical_prefix for d in datasets if d.canonical_prefix is not None)
    strays = [
        key
        for key in store.keys("")
        if key not in artifacts and key not in uploads and not key.startswith(canonical)
    ]
    unfinished = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
    return strays + [f"unfinished {upload['Key']}" for upload in unfinished]


def purge_delay(settings: Settings) -> float:
    """Seconds after which nothing but artifacts may be left of a job that has ended."""
    return settings.lease_seconds + 2 * settings.sweep_seconds + 5.0


def running_anywhere() -> int:
    """Steps that run and jobs that have not ended, of all rounds."""
    return state.look(
        lambda session: (
            len(session.scalars(select(Step.id).where(Step.status == steps.RUNNING)).all())
            + len(session.scalars(select(Job.id).where(Job.status.not_in(lifecycle.FINAL))).all())
        )
    )
