"""Finding generators, protecting with them, and deleting them."""

from datetime import UTC, datetime, timedelta

from core import applications, audit, doorbell, lifecycle, quotas, tables
from core.database import reading, transaction
from core.job_options import JobOptions
from core.object_store import ObjectStore
from core.pools import COMPUTE
from service.datasets.problems import dataset_not_found
from service.datasets.repository import DatasetRepository
from service.generators import problems
from service.generators.repository import GeneratorRepository
from service.generators.schemas import Generator, ProtectRequest
from service.jobs.checks import resolved_fraction
from service.jobs.deadline import moment_of
from service.jobs.problems import dataset_not_ready
from service.kit.pages import Page

WEIGHTS_TYPE = "application/octet-stream"


def get(tenant_id: str, generator_id: str, store: ObjectStore, seconds: int) -> Generator:
    """One generator, with a fresh link to its weights.

    Raises:
        Refused: `generator_not_found`.
    """
    with reading() as session:
        row = GeneratorRepository(session, tenant_id).get(generator_id)
    if row is None:
        raise problems.generator_not_found()
    return _signed(row, store, seconds)


def page_of(
    tenant_id: str, page: Page, store: ObjectStore, seconds: int
) -> tuple[list[Generator], bool]:
    """A page of the tenant's generators, and whether more follow."""
    with reading() as session:
        rows, has_more = GeneratorRepository(session, tenant_id).page(page)
    return [_signed(row, store, seconds) for row in rows], has_more


def _signed(row: tables.Generator, store: ObjectStore, seconds: int) -> Generator:
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    name = f"{row.id}.safetensors"
    return Generator.of(
        row, store.presigned_get(row.object_key, name, WEIGHTS_TYPE, seconds), expires_at
    )


def protect(tenant_id: str, generator_id: str, asked: ProtectRequest) -> tables.Job:
    """Queue a job that protects a dataset without training anything.

    Raises:
        Refused: generator or dataset are not there, or do not fit together.
    """
    with transaction() as session:
        generator = GeneratorRepository(session, tenant_id).lock(generator_id)
        if generator is None:
            raise problems.generator_not_found()
        dataset = DatasetRepository(session, tenant_id).lock(asked.dataset_id)
        if dataset is None:
            raise dataset_not_found("dataset_id")
        if dataset.status != lifecycle.READY:
            raise dataset_not_ready(dataset)
        _check_fit(generator, dataset)
        assert dataset.summary is not None
        wishes = JobOptions.model_validate(generator.job.options).model_copy(
            update={
                "protected_fraction": resolved_fraction(
                    asked.protected_fraction, dataset.summary["classes"]
                ),
                "evaluation": asked.evaluation,
                "metadata": asked.metadata,
            }
        )
        quotas.admit_job(session, tenant_id, dataset.id)
        job = applications.apply(
            session,
            generator,
            dataset,
            wishes,
            seed=asked.seed,
            deadline_at=moment_of(asked.deadline),
        )
        details = {"dataset_id": dataset.id, "generator_id": generator.id}
        audit.note(session, tenant_id, "job.created", job.id, **details)
    doorbell.ring(COMPUTE)
    return job


def _check_fit(generator: tables.Generator, dataset: tables.Dataset) -> None:
    assert dataset.summary is not None
    assert generator.job.dataset.summary is not None
    trained, given = generator.job.dataset.summary, dataset.summary
    if trained["image_shape"][2] != given["image_shape"][2]:
        raise problems.channels_differ(trained["image_shape"][2], given["image_shape"][2])
    knows_classes = generator.training["plan"]["conditioning"] == "label"
    if (knows_classes or generator.job.label_map) and trained["classes"] != given["classes"]:
        raise problems.classes_differ()


def delete(tenant_id: str, generator_id: str, store: ObjectStore) -> None:
    """Delete a generator's weights, then the generator.

    Raises:
        Refused: `generator_not_found` or `generator_in_use`.
    """
    with transaction() as session:
        repository = GeneratorRepository(session, tenant_id)
        generator = repository.lock(generator_id)
        if generator is None:
            raise problems.generator_not_found()
        if repository.in_use(generator_id):
            raise problems.generator_in_use()
        store.delete(generator.object_key)
        repository.remove(generator)
        lifecycle.record(session, tenant_id, generator_id, "generator.deleted")
        audit.note(session, tenant_id, "generator.deleted", generator_id)
