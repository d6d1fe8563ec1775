"""Bringing studies forward: what can be begun is begun, what is complete is summed up."""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from core import applications, doorbell, lifecycle, quotas, steps, studies
from core.database import transaction
from core.pools import COMPUTE, INGEST
from core.problem import Problem, Refused
from core.settings import Settings
from core.studies import PRIORITY, StudyPoint, options_of, points_of
from core.tables import Dataset, Generator, Job, Step

NOTHING_MEASURED = Problem(
    "study_failed",
    "No point of the study has a result: the errors of its jobs say why.",
    retryable=True,
)
GENERATOR_GONE = Problem(
    "generator_not_found", "A generator of the study was deleted before it was done with it."
)
SHARE = 0.98  # of the progress bar; the rest is the summary


def advance_studies(_: Settings) -> None:
    """Look after every study that has not ended; safe to run several times at once."""
    with transaction() as session:
        ids = session.scalars(
            select(Job.id).where(
                Job.kind == studies.KIND, Job.status.in_((lifecycle.QUEUED, lifecycle.RUNNING))
            )
        ).all()
    for study_id in ids:
        with transaction() as session:
            pool = _advance(session, lifecycle.lock_job(session, study_id))
        if pool is not None:
            doorbell.ring(pool)


def _advance(session: Session, study: Job) -> str | None:
    """Do what is next for one study, its row locked. Returns the pool in which a step waits now."""
    if study.status not in {lifecycle.QUEUED, lifecycle.RUNNING}:
        return None
    jobs = session.scalars(select(Job).where(Job.parent_id == study.id)).all()
    if study.status == lifecycle.QUEUED:
        if all(job.status == lifecycle.QUEUED for job in jobs):
            return None
        lifecycle.change_job(session, study, lifecycle.RUNNING)
    points = points_of(study, jobs)
    done = sum(
        1.0 if point.is_final else point.job.progress if point.job else 0.0 for point in points
    )
    study.progress = max(study.progress, SHARE * done / len(points))
    if all(point.is_final for point in points):
        return _conclude(session, study, points)
    waiting = [point for point in points if point.status == studies.WAITING]
    begun = [_begin(session, study, point, points) for point in waiting]
    return COMPUTE if any(begun) else None


def _progress(point: StudyPoint) -> float:
    if point.is_final:
        return 1.0
    return 0.0 if point.job is None else point.job.progress


def _begin(session: Session, study: Job, point: StudyPoint, points: list[StudyPoint]) -> bool:
    """Apply the generator of this point's epsilon, once it is trained and the quotas have room."""
    if study.status != lifecycle.RUNNING:
        return False
    first = next(one.job for one in points if one.epsilon == point.epsilon)
    if first is None or first.status != lifecycle.SUCCEEDED:
        return False
    # Locked, so that it is not deleted between this look and the job's row.
    generator = session.scalars(
        select(Generator)
        .where(Generator.job_id == first.id)
        .options(joinedload(Generator.job))
        .with_for_update(of=Generator)
    ).one_or_none()
    if generator is None:
        lifecycle.change_job(session, study, lifecycle.FAILED, GENERATOR_GONE)
        return False
    try:
        quotas.admit_job(session, study.tenant_id, study.dataset_id)
    except Refused:
        return False  # asked again at the next sweep
    applications.apply(
        session,
        generator,
        session.get_one(Dataset, study.dataset_id),
        options_of(study).options_at(point.fraction),
        seed=study.seed,
        priority=PRIORITY,
        parent_id=study.id,
    )
    return True


def _conclude(session: Session, study: Job, points: list[StudyPoint]) -> str | None:
    """Have the summary drawn, or say that there is nothing to draw."""
    if all(point.status != lifecycle.SUCCEEDED for point in points):
        lifecycle.change_job(session, study, lifecycle.FAILED, NOTHING_MEASURED)
        return None
    if session.scalar(select(Step.id).where(Step.job_id == study.id).limit(1)) is not None:
        return None
    steps.enqueue(
        session,
        kind=studies.STEP,
        pool=INGEST,
        tenant_id=study.tenant_id,
        dataset_id=study.dataset_id,
        job_id=study.id,
    )
    return INGEST
