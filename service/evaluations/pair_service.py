"""Evaluating any pair of datasets: a unit of work like a job, without training or protecting."""

from typing import Any

from sqlalchemy.orm import Session

from core import audit, doorbell, lifecycle, steps, tables
from core.database import reading, transaction
from core.ids import new_id
from core.job_options import EvaluationOptions, JobOptions
from core.label_map import parse_label_map
from core.pools import COMPUTE
from core.problem import Refused
from service.artifacts.repository import ArtifactRepository
from service.datasets.problems import dataset_not_found
from service.datasets.repository import DatasetRepository
from service.evaluations.pairs import PairRequest
from service.jobs import problems as job_problems
from service.jobs.deadline import moment_of
from service.jobs.repository import JobRepository
from service.kit.pages import Page

PREFIX = "eval"


class EvaluationRepository(JobRepository):
    """One tenant's evaluations of pairs; as rows they are jobs."""

    kinds: tuple[str, ...] = ("evaluation",)
    listed = kinds
    prefix = PREFIX


def evaluation_not_found() -> Refused:
    return Refused(
        "evaluation_not_found",
        "There is no such evaluation. GET /v1/evaluations lists yours.",
        status=404,
    )


def datasets_differ(what: str) -> Refused:
    return Refused(
        "datasets_do_not_pair",
        f"The two datasets differ in their {what}. Both must hold the same training images under "
        "the same classes, in the same order.",
        "protected_dataset_id",
    )


def create(tenant_id: str, asked: PairRequest) -> tables.Job:
    """Queue an evaluation.

    Raises:
        Refused: a dataset or the job cannot be used, or they do not fit together.
    """
    with transaction() as session:
        if asked.job_id is not None:
            # Before the datasets, as everybody does: its files stay until the evaluation is there.
            JobRepository(session, tenant_id).lock(asked.job_id)
        _lock_in_order(session, tenant_id, asked)
        clean = _ready(session, tenant_id, asked.clean_dataset_id, "clean_dataset_id")
        assert clean.summary is not None
        label_map = parse_label_map(
            asked.label_map, clean.summary["classes"], partial=asked.untargeted is not None
        )
        options = JobOptions(
            untargeted=asked.untargeted,
            evaluation=EvaluationOptions(
                **{name: getattr(asked, name) for name in EvaluationOptions.model_fields}
            ),
            metadata=asked.metadata,
        )
        row = tables.Job(
            id=new_id(PREFIX),
            tenant_id=tenant_id,
            dataset=clean,
            kind="evaluation",
            status=lifecycle.QUEUED,
            epsilon="1",
            label_map=label_map,
            seed=0,
            budget_seconds=0,
            deadline_at=moment_of(asked.deadline),
        )
        payload: dict[str, Any]
        if asked.job_id is not None:
            job, artifact = _protected_by(session, tenant_id, asked.job_id, clean)
            payload = {"dataset": {"name": artifact.name, "object_key": artifact.object_key}}
            if asked.label_map is None and asked.untargeted is None:
                row.label_map = job.label_map
                options = options.model_copy(update={"untargeted": job.options.get("untargeted")})
        else:
            assert asked.protected_dataset_id is not None
            other = _ready(session, tenant_id, asked.protected_dataset_id, "protected_dataset_id")
            _check_pair(clean, other)
            row.compared_dataset_id = other.id
            payload = {"dataset_id": other.id}
        row.options = options.model_dump(mode="json")
        EvaluationRepository(session, tenant_id).add(row)
        steps.enqueue(
            session,
            kind="compare",
            pool=COMPUTE,
            tenant_id=tenant_id,
            dataset_id=clean.id,
            job_id=row.id,
            payload=payload,
        )
        lifecycle.record(session, tenant_id, row.id, "job.created")
        audit.note(session, tenant_id, "evaluation.created", row.id, dataset_id=clean.id)
    doorbell.ring(COMPUTE)
    return row


def _lock_in_order(session: Session, tenant_id: str, asked: PairRequest) -> None:
    """Lock both datasets by id, lest two requests that name them the other way round deadlock."""
    repository = DatasetRepository(session, tenant_id)
    for dataset_id in sorted({asked.clean_dataset_id, asked.protected_dataset_id or ""}):
        repository.lock(dataset_id)


def _ready(session: Session, tenant_id: str, dataset_id: str, param: str) -> tables.Dataset:
    dataset = DatasetRepository(session, tenant_id).lock(dataset_id)
    if dataset is None:
        raise dataset_not_found(param)
    if dataset.status != lifecycle.READY:
        raise job_problems.dataset_not_ready(dataset, param)
    return dataset


def _protected_by(
    session: Session, tenant_id: str, job_id: str, clean: tables.Dataset
) -> tuple[tables.Job, tables.Artifact]:
    job = JobRepository(session, tenant_id).get(job_id)
    if job is None:
        not_found = job_problems.job_not_found().problem
        raise Refused(not_found.code, not_found.message, "job_id", status=404)
    artifact = ArtifactRepository(session, tenant_id).protected_dataset(job.id)
    if artifact is None:
        raise job_problems.job_has_no_dataset("job_id")
    if job.dataset_id != clean.id:
        raise Refused(
            "datasets_do_not_pair",
            f"The job has protected another dataset, {job.dataset_id}.",
            "clean_dataset_id",
        )
    return job, artifact


def _check_pair(clean: tables.Dataset, protected: tables.Dataset) -> None:
    assert clean.summary is not None
    assert protected.summary is not None
    for name, words in (("classes", "classes"), ("image_shape", "image size")):
        if clean.summary[name] != protected.summary[name]:
            raise datasets_differ(words)
    if clean.summary["counts"]["train"] != protected.summary["counts"]["train"]:
        raise datasets_differ("number of training images")


def get(tenant_id: str, evaluation_id: str) -> tables.Job:
    """One evaluation with its result.

    Raises:
        Refused: `evaluation_not_found`.
    """
    with reading() as session:
        row = EvaluationRepository(session, tenant_id).get(evaluation_id, with_evaluation=True)
    if row is None:
        raise evaluation_not_found()
    return row


def page_of(tenant_id: str, page: Page) -> tuple[list[tables.Job], bool]:
    """A page of the tenant's evaluations, and whether more follow."""
    with reading() as session:
        return EvaluationRepository(session, tenant_id).page(page)


def cancel(tenant_id: str, evaluation_id: str) -> tables.Job:
    """Call an evaluation off. Doing so twice changes nothing.

    Raises:
        Refused: `evaluation_not_found` or `job_already_finished`.
    """
    with transaction() as session:
        row = EvaluationRepository(session, tenant_id).lock(evaluation_id)
        if row is None:
            raise evaluation_not_found()
        try:
            lifecycle.request_cancel(session, row)
        except lifecycle.IllegalChange as error:
            raise job_problems.job_cannot_change(row) from error
        audit.note(session, tenant_id, "evaluation.cancelled", row.id)
        session.flush()
        session.refresh(row, ("finished_at", "cancel_requested_at"))
    return row
