"""Jobs on a real PostgreSQL whose steps are played: only their results are made up."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import undefer

from core import lifecycle, steps
from core.database import transaction
from core.pools import COMPUTE
from core.tables import Dataset, Event, Job, Step
from tests import rows
from worker import flow

EVALUATIONS = [
    {"victim": "paper-mnist-cnn", "epochs": 3, "seed": 0, "side": side}
    for side in ("clean", "protected")
]
RESULTS: dict[str, dict[str, Any]] = {
    "train": {"seconds": 1.0},
    "protect": {"evaluations": EVALUATIONS},
    "baseline": {"accuracy": 50.0},
    "evaluate": {"accuracy": 50.0},
    "report": {
        "generator": {
            "generator": {"object_key": "g", "size_bytes": 1, "sha256": "0"},
            "plan": {},
            "summary": {},
            "seconds": 1.0,
        },
        "evaluation": {"baseline_accuracy": 97.0},
        "artifacts": [
            {
                "kind": "evaluation",
                "name": "evaluation.json",
                "content_type": "application/json",
                "object_key": "k",
                "size_bytes": 2,
                "sha256": "0",
            }
        ],
    },
}


def empty_queue() -> None:
    with transaction() as session:
        session.execute(
            update(Step).where(Step.status == steps.QUEUED).values(status=steps.DROPPED)
        )


def add_dataset(tenant_id: str | None = None, sha256: str = "") -> Dataset:
    """A ready dataset, of a new tenant unless told which."""
    with transaction() as session:
        return rows.add_dataset(session, tenant_id, sha256=sha256)


def start_job(dataset: Dataset) -> str:
    with transaction() as session:
        job = rows.add_job(session, dataset)
        steps.enqueue(
            session,
            kind="train",
            pool=COMPUTE,
            tenant_id=job.tenant_id,
            dataset_id=dataset.id,
            job_id=job.id,
        )
        return job.id


def take(job_id: str) -> steps.Claim:
    """Claim the next step."""
    with transaction() as session:
        claim = steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS)
    assert claim is not None
    assert claim.job_id == job_id
    with transaction() as session:
        flow.begin(session, claim)
    return claim


def do(job_id: str) -> str:
    """Claim the next step and finish it."""
    claim = take(job_id)
    with transaction() as session:
        flow.advance(session, claim, RESULTS[claim.kind])
    return claim.kind


def job_of(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id, options=[undefer(Job.evaluation)])


def events_of(job_id: str) -> list[str]:
    with transaction() as session:
        rows = session.scalars(select(Event).where(Event.subject_id == job_id).order_by(Event.id))
        return [
            f"{row.type} {row.data['phase']}" if "phase" in row.data else row.type for row in rows
        ]


def pause(job_id: str) -> None:
    with transaction() as session:
        lifecycle.request_pause(session, lifecycle.lock_job(session, job_id))


def resume(job_id: str) -> None:
    with transaction() as session:
        lifecycle.request_resume(session, lifecycle.lock_job(session, job_id))


def nothing_waits() -> bool:
    with transaction() as session:
        return steps.claim(session, COMPUTE, "tester", 60, kinds=flow.KINDS) is None
