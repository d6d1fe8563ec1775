"""Protected datasets in other layouts: made when they are asked for, and once."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, conversions, doorbell, lifecycle, steps, tables
from core.conversions import Layout
from core.database import transaction
from core.ids import new_id
from core.pools import INGEST
from service.artifacts.repository import ArtifactRepository
from service.jobs.problems import job_has_no_dataset, job_not_found
from service.jobs.repository import PREFIX, JobRepository


def ask(tenant_id: str, job_id: str, layout: Layout) -> tables.Job:
    """The conversion of what a job has protected: the one that was asked for before, or a new one.

    Raises:
        Refused: `job_not_found`, or the job has no protected dataset.
    """
    with transaction() as session:
        jobs = JobRepository(session, tenant_id)
        # Locked: of two who ask at once, one begins it and the other finds it.
        job = jobs.lock(job_id)
        if job is None:
            raise job_not_found()
        protected = ArtifactRepository(session, tenant_id).protected_dataset(job_id)
        if protected is None:
            raise job_has_no_dataset()
        audit.note(session, tenant_id, "job.layout_requested", job.id, layout=layout)
        known = _known(session, job, layout)
        if known is not None:
            return known
        conversion = tables.Job(
            id=new_id(PREFIX),
            tenant_id=tenant_id,
            dataset=job.dataset,
            kind=conversions.KIND,
            parent_id=job.id,
            status=lifecycle.QUEUED,
            epsilon=job.epsilon,
            label_map=job.label_map,
            seed=job.seed,
            budget_seconds=job.budget_seconds,
        )
        jobs.add(conversion)
        source = {name: getattr(protected, name) for name in ("name", "object_key", "sha256")}
        steps.enqueue(
            session,
            kind=conversions.STEP,
            pool=INGEST,
            tenant_id=tenant_id,
            dataset_id=job.dataset_id,
            job_id=conversion.id,
            payload={"layout": layout, "source": source},
        )
        lifecycle.record(session, tenant_id, conversion.id, "job.created")
    doorbell.ring(INGEST)
    return conversion


def _known(session: Session, job: tables.Job, layout: Layout) -> tables.Job | None:
    """A conversion that is under way, or whose files are there."""
    found = session.scalars(
        select(tables.Job)
        .join(tables.Step, tables.Step.job_id == tables.Job.id)
        .where(
            tables.Job.tenant_id == job.tenant_id,
            tables.Job.parent_id == job.id,
            tables.Job.kind == conversions.KIND,
            tables.Step.payload["layout"].as_string() == layout,
            tables.Job.status.not_in((lifecycle.FAILED, lifecycle.CANCELLED, lifecycle.CANCELLING)),
            tables.Job.status.not_in(lifecycle.FINAL)
            | select(tables.Artifact.id).where(tables.Artifact.job_id == tables.Job.id).exists(),
        )
        .order_by(tables.Job.id.desc())
        .limit(1)
    ).one_or_none()
    if found is not None:
        found.dataset = job.dataset
    return found
