"""Queueing what a trained generator shall protect: for an owner who asks, or for a study."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import lifecycle, steps
from core.ids import new_id
from core.job_options import JobOptions
from core.pools import COMPUTE
from core.tables import Dataset, Generator, Job


def apply(
    session: Session,
    generator: Generator,
    dataset: Dataset,
    options: JobOptions,
    *,
    seed: int,
    priority: int = 0,
    parent_id: str | None = None,
    deadline_at: datetime | None = None,
) -> Job:
    """Add a job that protects a dataset with a generator; whoever calls rings `COMPUTE` afterwards.

    Args:
        session: of the transaction.
        generator: whose job is loaded; bound and label map are its.
        dataset: which fits it.
        options: what is protected, and what is measured then.
        seed: decides which images a random fraction protects.
        priority: among the jobs of the tenant.
        parent_id: the study that the job belongs to.
        deadline_at: by when it must have ended.
    """
    first = generator.job
    job = Job(
        id=new_id("job"),
        tenant_id=generator.tenant_id,
        dataset=dataset,
        kind="application",
        generator_id=generator.id,
        parent_id=parent_id,
        status=lifecycle.QUEUED,
        epsilon=first.epsilon,
        label_map=first.label_map,
        seed=seed,
        budget_seconds=first.budget_seconds,
        priority=priority,
        deadline_at=deadline_at,
        options=options.model_dump(mode="json"),
    )
    session.add(job)
    session.flush()
    steps.enqueue(
        session,
        kind="protect",
        pool=COMPUTE,
        tenant_id=job.tenant_id,
        dataset_id=dataset.id,
        job_id=job.id,
        priority=priority,
    )
    lifecycle.record(session, job.tenant_id, job.id, "job.created")
    return job
