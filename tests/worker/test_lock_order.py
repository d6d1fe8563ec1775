"""Nobody holds a row while waiting for one that comes before it: see `core.lifecycle`."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import erasure, lifecycle, quotas, steps
from core.database import transaction
from core.pools import INGEST
from core.settings import Settings
from core.tables import Baseline, ComputeUsage, Dataset, Step, Tenant
from tests.locks import wait_until_blocking
from tests.worker.played_jobs import RESULTS, add_dataset, do, empty_queue, start_job, take
from worker import flow

Beside = Callable[[Session, Callable[[Session], object]], Future[None]]


@pytest.fixture(autouse=True)
def _empty_queue(servers: Settings) -> None:
    """Steps that other tests left in the queue would be claimed first."""
    empty_queue()


@pytest.fixture
def dataset() -> Dataset:
    return add_dataset()


@pytest.fixture
def beside() -> Iterator[Beside]:
    """Does something in a transaction of its own until it waits for what a session has locked."""

    def run(do_it: Callable[[Session], object]) -> None:
        with transaction() as session:
            do_it(session)

    with ThreadPoolExecutor(1) as pool:
        begun: list[Future[None]] = []

        def start(session: Session, do_it: Callable[[Session], object]) -> Future[None]:
            begun.append(pool.submit(run, do_it))
            wait_until_blocking(session)
            return begun[-1]

        yield start
        for one in begun:
            one.result(60)


def lock_at_once(session: Session, column: Any, *which: Any, **how: bool) -> None:
    """Lock rows that nobody may hold now."""
    session.execute(select(column).where(*which).with_for_update(nowait=True, **how)).one()


def test_an_erasure_waits_for_jobs_before_it_holds_the_dataset(
    dataset: Dataset, beside: Beside
) -> None:
    """A step that is done adds the next one, whose row names the dataset."""
    job_id = start_job(dataset)
    with transaction() as session:
        lifecycle.lock_job(session, job_id)
        beside(session, lambda other: erasure.request(other, dataset.tenant_id, dataset.id))
        lock_at_once(session, Dataset.id, Dataset.id == dataset.id, read=True, key_share=True)


def test_an_ingestion_waits_for_its_dataset_before_it_holds_its_step(
    dataset: Dataset, beside: Beside
) -> None:
    """An erasure holds the dataset, and drops the step."""
    with transaction() as session:
        steps.enqueue(
            session,
            kind=flow.INGEST,
            pool=INGEST,
            tenant_id=dataset.tenant_id,
            dataset_id=dataset.id,
        )
    with transaction() as session:
        claim = steps.claim(session, INGEST, "tester", 60, kinds=[flow.INGEST])
    assert claim is not None
    assert claim.dataset_id == dataset.id
    with transaction() as session:
        lifecycle.lock_dataset(session, dataset.id)
        beside(session, lambda other: flow.advance(other, claim, {"summary": {}}))
        lock_at_once(session, Step.id, Step.id == claim.step_id)


def test_who_asks_for_a_job_waits_for_the_dataset_before_it_holds_the_tenant(
    dataset: Dataset, beside: Beside
) -> None:
    """Somebody else who asks for a job on it holds the dataset, and goes on to the tenant."""
    with transaction() as session:
        session.get_one(Tenant, dataset.tenant_id).quotas = {quotas.JOBS: 9}
    with transaction() as session:
        lifecycle.lock_dataset(session, dataset.id)
        beside(session, lambda other: quotas.admit_job(other, dataset.tenant_id, dataset.id))
        lock_at_once(session, Tenant.id, Tenant.id == dataset.tenant_id, key_share=True)


def test_a_baseline_that_is_done_is_written_before_it_is_charged(
    dataset: Dataset, beside: Beside
) -> None:
    """Another step that needs it holds its row, and is charged when it begins to wait."""
    job_id = start_job(dataset)
    assert [do(job_id), do(job_id)] == ["train", "protect"]
    claim = take(job_id)
    assert claim.payload["side"] == "clean"
    with transaction() as session:
        mine = Baseline.tenant_id == dataset.tenant_id
        session.execute(select(Baseline.key).where(mine).with_for_update()).one()
        beside(session, lambda other: flow.advance(other, claim, RESULTS["evaluate"]))
        lock_at_once(session, ComputeUsage.day, ComputeUsage.tenant_id == dataset.tenant_id)
