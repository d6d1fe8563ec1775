"""A worker in the process of the test: real servers, real steps, the smallest data."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update
from sqlalchemy.orm import undefer

from core import lifecycle, steps
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, dataset_prefix
from core.pools import COMPUTE, INGEST
from core.settings import Settings
from core.tables import Dataset, Job, Step, Tenant
from tests import rows
from worker import attempt, flow

Arrays = dict[str, np.ndarray]


def stripes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gray 8 x 8 images (n, 8, 8); each of three classes has its bright rows."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = draw.integers(0, 60, (n, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 2 : label * 2 + 3] += 150
    return images, labels


def npz(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


@pytest.fixture
def tenant(servers: Settings) -> str:
    with transaction() as session:
        tenant = Tenant(id=new_id("ten"), name=new_id("name"))
        session.add(tenant)
        # Steps that other tests left in the queue would be claimed first.
        session.execute(
            update(Step).where(Step.status == steps.QUEUED).values(status=steps.DROPPED)
        )
        return tenant.id


@pytest.fixture
def arrays() -> Arrays:
    (train, train_labels), (test, test_labels) = stripes(60, 0), stripes(120, 1)
    return {"x_train": train, "y_train": train_labels, "x_test": test, "y_test": test_labels}


@pytest.fixture
def upload(tenant: str, store: ObjectStore) -> Callable[[Arrays], Dataset]:
    """Stores arrays as an upload and has it read."""

    def do(arrays: Arrays) -> Dataset:
        dataset_id = new_id("ds")
        key = dataset_prefix(tenant, dataset_id) + "upload"
        content = npz(arrays)
        store.put_bytes(key, content)
        with transaction() as session:
            rows.add_dataset(
                session,
                tenant,
                id=dataset_id,
                name="stripes",
                status=lifecycle.VALIDATING,
                sha256=hashlib.sha256(content).hexdigest(),
                upload_key=key,
            )
            steps.enqueue(
                session,
                kind="ingest",
                pool=INGEST,
                tenant_id=tenant,
                dataset_id=dataset_id,
            )
        work_off(INGEST)
        with transaction() as session:
            dataset = session.get_one(Dataset, dataset_id)
        assert dataset.status == lifecycle.READY, dataset.error
        return dataset

    return do


@pytest.fixture
def dataset(upload: Callable[[Arrays], Dataset], arrays: Arrays) -> Dataset:
    return upload(arrays)


def begin_next(pool: str = COMPUTE) -> tuple[steps.Claim, bool] | None:
    """Claim the next step, and whether it is to be run; None if none waits."""
    with transaction() as session:
        claim = steps.claim(session, pool, "tester", 600, kinds=flow.KINDS)
    if claim is None:
        return None
    with transaction() as session:
        return claim, flow.begin(session, claim)


def work_off(pool: str) -> None:
    """Run every step of a pool to its end."""
    while (begun := begin_next(pool)) is not None:
        claim, shall_run = begun
        if shall_run:
            attempt.run(claim)


def start(
    job_id: str,
    first: str,
    payload: dict[str, Any] | None = None,
    checkpoint_key: str | None = None,
) -> None:
    """Queue the first step of a job."""
    with transaction() as session:
        job = session.get_one(Job, job_id)
        step = steps.enqueue(
            session,
            kind=first,
            pool=COMPUTE,
            tenant_id=job.tenant_id,
            dataset_id=job.dataset_id,
            job_id=job.id,
            payload=payload,
        )
        step.checkpoint_key = checkpoint_key


def finish(
    job_id: str,
    first: str,
    payload: dict[str, Any] | None = None,
    checkpoint_key: str | None = None,
) -> Job:
    """Queue the first step of a job, and run it and all that follow."""
    start(job_id, first, payload, checkpoint_key)
    work_off(COMPUTE)
    with transaction() as session:
        job = session.get_one(Job, job_id, options=[undefer(Job.evaluation)])
    assert job.status == lifecycle.SUCCEEDED, job.error
    return job
