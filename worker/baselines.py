"""The clean baseline: trained once per dataset and recipe, and found again by every later job.

A step that would train it looks first. What is known is taken over; what another job's step trains
at this moment is waited for (`steps.WAITING`), and trained after all should that one not finish.
"""

import hashlib
import json
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import core
from core import steps
from core.tables import Baseline, Dataset, Job, Step

CLEAN = "clean"
COUNTED = ("images", "speeds")  # which would be counted again where it is taken over
Payload = dict[str, Any]
Result = dict[str, Any]


def known(session: Session, job: Job, payload: Payload) -> Result | None:
    """The result of the training that `payload` describes, if it is a baseline that is known."""
    if payload["side"] != CLEAN:
        return None
    key, _ = _key(session, job, payload)
    return session.scalar(select(Baseline.result).where(Baseline.key == key))


def is_trained_elsewhere(session: Session, job: Job, step_id: str, payload: Payload) -> bool:
    """Whether another step trains this baseline now; if none does, it is this step's to train."""
    if payload["side"] != CLEAN:
        return False
    key, sha256 = _key(session, job, payload)
    session.execute(
        insert(Baseline)
        .values(key=key, tenant_id=job.tenant_id, dataset_sha256=sha256, step_id=step_id)
        .on_conflict_do_nothing()
    )
    # Two steps that ask at once ask one after another.
    row = session.scalars(
        select(Baseline).where(Baseline.key == key).with_for_update()
    ).one_or_none()
    # None: between the two statements the same bytes were deleted, as another dataset.
    if row is None or row.step_id == step_id:
        return False
    status = session.scalar(select(Step.status).where(Step.id == row.step_id))
    if status == steps.RUNNING:
        return True
    row.step_id = step_id
    return False


def keep(session: Session, job: Job, payload: Payload, result: Result) -> None:
    """Write down a baseline that was trained, without what was counted of the work on it."""
    if payload["side"] == CLEAN:
        key, _ = _key(session, job, payload)
        found = {name: value for name, value in result.items() if name not in COUNTED}
        session.execute(update(Baseline).where(Baseline.key == key).values(result=found))


def _key(session: Session, job: Job, payload: Payload) -> tuple[str, str]:
    sha256 = session.scalars(select(Dataset.sha256).where(Dataset.id == job.dataset_id)).one()
    recipe = json.dumps(payload, sort_keys=True)
    parts = [job.tenant_id, sha256, core.__version__, recipe]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest(), sha256
