"""Fanning a study out into jobs, and reading its table from theirs."""

from collections.abc import Sequence
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from core import audit, doorbell, lifecycle, studies, tables
from core.database import reading, transaction
from core.epsilon import parse_epsilon
from core.ids import new_id
from core.pools import COMPUTE
from core.problem import Refused
from core.settings import Settings
from core.studies import StudyOptions, StudyPoint, points_of
from service.datasets.problems import dataset_not_found
from service.datasets.repository import DatasetRepository
from service.jobs import problems as job_problems
from service.jobs import service as jobs
from service.jobs.repository import JobRepository
from service.jobs.schemas import JobRequest
from service.kit.pages import Page
from service.studies.schemas import StudyRequest, common_options

PREFIX = "study"


class StudyRepository(JobRepository):
    """One tenant's studies; as rows they are jobs."""

    kinds: tuple[str, ...] = (studies.KIND,)
    listed = kinds
    prefix = PREFIX

    def jobs_of(self, study: tables.Job, *, with_evaluation: bool = False) -> list[tables.Job]:
        """The jobs that a study consists of, oldest first."""
        query = select(tables.Job).where(
            tables.Job.tenant_id == self._tenant_id, tables.Job.parent_id == study.id
        )
        if with_evaluation:
            query = query.options(undefer(tables.Job.evaluation))
        return list(self._session.scalars(query.order_by(tables.Job.id)))


def study_not_found() -> Refused:
    return Refused(
        "study_not_found", "There is no such study. GET /v1/studies lists yours.", status=404
    )


def points_repeated(param: str) -> Refused:
    return Refused("points_repeated", f"{param} names the same point twice.", param)


def too_few_points() -> Refused:
    return Refused(
        "too_few_points", "A study has two points or more; for one, start a job.", "epsilons"
    )


def too_many_points(count: int) -> Refused:
    return Refused(
        "too_many_points",
        f"epsilons and fractions make {count} points; a study may have {studies.MAX_POINTS}.",
        "epsilons",
    )


def create(
    tenant_id: str, asked: StudyRequest, settings: Settings
) -> tuple[tables.Job, list[StudyPoint]]:
    """Queue a study: for each epsilon the job that trains a generator; the sweeper adds the others.

    Raises:
        Refused: the dataset is not there or not ready, a wish cannot be met, or `quota_exceeded`.
    """
    options = _options(asked)
    with transaction() as session:
        dataset = DatasetRepository(session, tenant_id).lock(asked.dataset_id)
        if dataset is None:
            raise dataset_not_found("dataset_id")
        if dataset.status != lifecycle.READY:
            raise job_problems.dataset_not_ready(dataset)
        study = tables.Job(
            id=new_id(PREFIX),
            tenant_id=tenant_id,
            dataset=dataset,
            kind=studies.KIND,
            status=lifecycle.QUEUED,
            epsilon=options.epsilons[-1],
            seed=asked.seed,
            budget_seconds=asked.budget_seconds or 0,
            priority=studies.PRIORITY,
            options=options.model_dump(mode="json"),
        )
        repository = StudyRepository(session, tenant_id)
        repository.add(study)
        lifecycle.record(session, tenant_id, study.id, "job.created")
        audit.note(session, tenant_id, "study.created", study.id, dataset_id=dataset.id)
        first = options.options_at(options.fractions[0])
        for epsilon in options.epsilons:
            wanted = JobRequest(
                **first.model_dump(),
                dataset_id=dataset.id,
                epsilon=epsilon,
                seed=asked.seed,
                budget_seconds=asked.budget_seconds,
                priority=studies.PRIORITY,
            )
            jobs.add(session, dataset, wanted, settings, parent_id=study.id)
        points = points_of(study, repository.jobs_of(study, with_evaluation=True))
    doorbell.ring(COMPUTE)
    return study, points


def _options(asked: StudyRequest) -> StudyOptions:
    epsilons = sorted(parse_epsilon(epsilon) for epsilon in asked.epsilons)
    fractions = sorted(asked.fractions)
    for param, values in (("epsilons", epsilons), ("fractions", fractions)):
        if _repeats(values):
            raise points_repeated(param)
    count = len(epsilons) * len(fractions)
    if count > studies.MAX_POINTS:
        raise too_many_points(count)
    if count < 2:
        raise too_few_points()
    return StudyOptions(
        epsilons=[str(epsilon) for epsilon in epsilons],
        fractions=fractions,
        by=asked.by,
        common=common_options(asked),
        metadata=asked.metadata,
    )


def _repeats(values: Sequence[Fraction] | Sequence[float]) -> bool:
    return len(set(values)) < len(values)


def get(tenant_id: str, study_id: str) -> tuple[tables.Job, list[StudyPoint]]:
    """One study, with what its points have measured so far.

    Raises:
        Refused: `study_not_found`.
    """
    with transaction() as session:
        repository = StudyRepository(session, tenant_id)
        study = repository.get(study_id)
        if study is None:
            raise study_not_found()
        return study, points_of(study, repository.jobs_of(study, with_evaluation=True))


def row(tenant_id: str, study_id: str) -> tables.Job:
    """One study alone.

    Raises:
        Refused: `study_not_found`.
    """
    with reading() as session:
        study = StudyRepository(session, tenant_id).get(study_id)
    if study is None:
        raise study_not_found()
    return study


def page_of(tenant_id: str, page: Page) -> tuple[list[tables.Job], bool]:
    """A page of the tenant's studies, and whether more follow."""
    with reading() as session:
        return StudyRepository(session, tenant_id).page(page)


def cancel(tenant_id: str, study_id: str) -> None:
    """Call a study off, with every job of it that has not ended. Twice changes nothing.

    Raises:
        Refused: `study_not_found` or `job_already_finished`.
    """
    with transaction() as session:
        repository = StudyRepository(session, tenant_id)
        # First the study: whoever adds jobs to it holds its row, too.
        study = repository.lock(study_id)
        if study is None:
            raise study_not_found()
        try:
            lifecycle.request_cancel(session, study)
        except lifecycle.IllegalChange as error:
            raise job_problems.job_cannot_change(study) from error
        _cancel_jobs(session, repository, study)
        audit.note(session, tenant_id, "study.cancelled", study.id)


def _cancel_jobs(session: Session, repository: StudyRepository, study: tables.Job) -> None:
    for job in repository.jobs_of(study):
        locked = lifecycle.lock_job(session, job.id)
        if locked.status not in lifecycle.FINAL:
            lifecycle.request_cancel(session, locked)
