"""A few images, protected while their owner waits: in through the store, and out of it again."""

import json
from collections.abc import Sequence

from core import audit, doorbell, few_images, lifecycle, steps, tables
from core.database import reading, transaction
from core.few_images import Sent, inputs_prefix
from core.ids import new_id
from core.label_map import class_index
from core.object_store import ObjectStore, job_prefix
from core.pools import INGEST
from service.artifacts.repository import ArtifactRepository
from service.datasets.problems import verdict
from service.generators import problems
from service.generators.images_form import SentFile
from service.generators.repository import GeneratorRepository
from service.jobs.repository import PREFIX, JobRepository

ZIP = b"PK"


def check(tenant_id: str, generator_id: str) -> None:
    """Make sure that a generator is there, before a body is read for it.

    Raises:
        Refused: `generator_not_found`.
    """
    with reading() as session:
        if GeneratorRepository(session, tenant_id).get(generator_id) is None:
            raise problems.generator_not_found()


def begin(
    tenant_id: str, generator_id: str, files: Sequence[SentFile], store: ObjectStore
) -> tables.Job:
    """Hand images to a worker, as a job of one step.

    Raises:
        Refused: there is no such generator, no label where it needs one, or the job was cancelled.
    """
    with transaction() as session:
        generator = GeneratorRepository(session, tenant_id).lock(generator_id)
        if generator is None:
            raise problems.generator_not_found()
        sent = _labelled(generator, files)
        first = generator.job
        job = tables.Job(
            id=new_id(PREFIX),
            tenant_id=tenant_id,
            dataset=first.dataset,
            kind=few_images.KIND,
            generator_id=generator.id,
            status=lifecycle.QUEUED,
            epsilon=first.epsilon,
            label_map=first.label_map,
            seed=0,
            budget_seconds=first.budget_seconds,
            priority=0,
        )
        JobRepository(session, tenant_id).add(job)
        lifecycle.record(session, tenant_id, job.id, "job.created")
        audit.note(session, tenant_id, "job.created", job.id, generator_id=generator.id)
    # The row is there before the bytes: whatever happens, they are found with it and deleted.
    prefix = inputs_prefix(tenant_id, job.id)
    store.put_bytes(prefix + few_images.INDEX, json.dumps(sent).encode())
    for index, file in enumerate(files):
        store.put_bytes(f"{prefix}{index}", file.content)
    with transaction() as session:
        is_wanted = lifecycle.lock_job(session, job.id).status == lifecycle.QUEUED
        if is_wanted:
            steps.enqueue(
                session,
                kind=few_images.KIND,
                pool=INGEST,
                tenant_id=tenant_id,
                dataset_id=job.dataset_id,
                job_id=job.id,
                priority=few_images.PRIORITY,
            )
    if not is_wanted:
        # Cancelled meanwhile, perhaps by an erasure that is complete: nobody else would look here.
        store.delete_prefix(job_prefix(tenant_id, job.id))
        raise problems.images_given_up()
    doorbell.ring(INGEST)
    return job


def _labelled(generator: tables.Generator, files: Sequence[SentFile]) -> list[Sent]:
    assert generator.job.dataset.summary is not None
    classes: list[str] = generator.job.dataset.summary["classes"]
    needed = generator.training["plan"]["conditioning"] == "label"
    sent: list[Sent] = []
    for file in files:
        label = None if file.label is None else class_index(file.label, classes)
        if file.label is not None and label is None:
            raise problems.label_unknown(file.label)
        if needed and label is None and not file.content.startswith(ZIP):
            raise problems.label_missing()
        sent.append({"name": file.name, "label": label})
    return sent


def take(tenant_id: str, job: tables.Job, store: ObjectStore) -> tuple[tables.Artifact, bytes]:
    """What a job that has ended made; neither that nor what was sent stays in the store.

    Raises:
        Refused: why it has failed.
    """
    try:
        if job.error is not None:
            raise verdict(job.error)
        with reading() as session:
            made = ArtifactRepository(session, tenant_id).of_job(job.id)
        if not made:  # cancelled meanwhile, by another request of its owner
            raise problems.images_given_up()
        return made[0], store.get_bytes(made[0].object_key)
    finally:
        _forget(tenant_id, job.id, store)


def _forget(tenant_id: str, job_id: str, store: ObjectStore) -> None:
    with transaction() as session:
        ArtifactRepository(session, tenant_id).remove_of_job(job_id)
    store.delete_prefix(job_prefix(tenant_id, job_id))
