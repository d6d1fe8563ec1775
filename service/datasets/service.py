"""What becomes of a dataset between its upload and its deletion."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from core import audit, doorbell, lifecycle, quotas, steps
from core.database import reading, transaction
from core.object_store import ObjectStore, dataset_prefix
from core.pools import INGEST
from core.tables import Dataset
from core.uploads import object_key
from service.datasets import problems
from service.datasets.repository import DatasetRepository
from service.datasets.schemas import DatasetChange, FromUpload
from service.datasets.upload import FORM_BYTES, Received
from service.kit.pages import Page
from service.uploads.service import use

CONTACT_SHEET = "contact-sheet.png"  # as `worker.layouts.contact_sheet` calls it
FIRST_POLL_SECONDS = 0.05
LAST_POLL_SECONDS = 0.25


def check_room(tenant_id: str, declared: int | None) -> None:
    """Refuse an upload that would not fit before it is read.

    Args:
        declared: length of the request's body, if it is known.

    Raises:
        Refused: `quota_exceeded`.
    """
    with reading() as session:
        quotas.admit_dataset(session, tenant_id, max(0, (declared or 0) - FORM_BYTES))


def register(tenant_id: str, dataset_id: str, received: Received, store: ObjectStore) -> Dataset:
    """Write down a dataset whose upload lies in the store, and have it validated.

    If it cannot be written down, its upload is deleted: at once, or, if a commit's answer was lost
    and it may have been written down all the same, by the sweeper.
    """
    dataset = Dataset(
        id=dataset_id,
        tenant_id=tenant_id,
        name=received.name,
        status=lifecycle.VALIDATING,
        size_bytes=received.written.size,
        sha256=received.written.sha256,
        upload_key=object_key(tenant_id, dataset_id),
    )
    try:
        with transaction() as session:
            _add(session, dataset)
    except (OperationalError, InterfaceError):
        raise
    except BaseException:
        store.delete_prefix(dataset_prefix(tenant_id, dataset_id))
        raise
    doorbell.ring(INGEST)
    return dataset


def register_upload(tenant_id: str, asked: FromUpload) -> Dataset:
    """Make a dataset of a completed resumable upload, whose bytes lie in their place already.

    Raises:
        Refused: `upload_not_found`, `upload_used`, `upload_not_completed`.
    """
    with transaction() as session:
        upload = use(session, tenant_id, asked.upload_id)
        dataset = Dataset(
            id=upload.dataset_id,
            tenant_id=tenant_id,
            name=asked.name or upload.name,
            status=lifecycle.VALIDATING,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            upload_key=upload.object_key,
        )
        _add(session, dataset)
    doorbell.ring(INGEST)
    return dataset


def _add(session: Session, dataset: Dataset) -> None:
    DatasetRepository(session, dataset.tenant_id).add(dataset)
    steps.enqueue(
        session,
        kind="ingest",
        pool=INGEST,
        tenant_id=dataset.tenant_id,
        dataset_id=dataset.id,
    )
    lifecycle.record(session, dataset.tenant_id, dataset.id, "dataset.created")
    audit.note(session, dataset.tenant_id, "dataset.created", dataset.id)


async def wait_for_verdict(
    tenant_id: str, dataset_id: str, seconds: float, is_gone: Callable[[], Awaitable[bool]]
) -> Dataset:
    """The dataset once it is judged, or as it is after `seconds` or once the client has left.

    Raises:
        Refused: the worker's problem; the dataset is deleted. Or the owner deleted it meanwhile.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_POLL_SECONDS
    while True:
        dataset = await run_in_threadpool(get, tenant_id, dataset_id)
        if dataset.status == lifecycle.REJECTED:
            await run_in_threadpool(_forget_rejected, tenant_id, dataset_id)
            assert dataset.error is not None
            raise problems.verdict(dataset.error)
        left = deadline - time.monotonic()
        if dataset.status != lifecycle.VALIDATING or left <= 0 or await is_gone():
            return dataset
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.2, LAST_POLL_SECONDS)


def _forget_rejected(tenant_id: str, dataset_id: str) -> None:
    """The owner has been told; the worker has already deleted the bytes."""
    with transaction() as session:
        dataset = DatasetRepository(session, tenant_id).lock(dataset_id)
        if dataset is not None:
            lifecycle.change_dataset(session, dataset, lifecycle.DELETED)


def get(tenant_id: str, dataset_id: str) -> Dataset:
    """One dataset.

    Raises:
        Refused: `dataset_not_found`.
    """
    with reading() as session:
        dataset = DatasetRepository(session, tenant_id).get(dataset_id)
    if dataset is None:
        raise problems.dataset_not_found()
    return dataset


def contact_sheet(tenant_id: str, dataset_id: str, store: ObjectStore) -> bytes:
    """The contact sheet that a worker drew, a PNG.

    Raises:
        Refused: `dataset_not_found`, `contact_sheet_missing`.
    """
    dataset = get(tenant_id, dataset_id)
    found = None
    if dataset.canonical_prefix is not None:
        found = store.find_bytes(dataset.canonical_prefix + CONTACT_SHEET)
    if found is None:
        raise problems.contact_sheet_missing()
    return found


def page_of(tenant_id: str, page: Page) -> tuple[list[Dataset], bool]:
    """A page of the tenant's datasets, and whether more follow."""
    with reading() as session:
        return DatasetRepository(session, tenant_id).page(page)


def change(tenant_id: str, dataset_id: str, asked: DatasetChange) -> Dataset:
    """Change what the request names.

    Raises:
        Refused: `dataset_not_found`.
    """
    with transaction() as session:
        dataset = DatasetRepository(session, tenant_id).lock(dataset_id)
        if dataset is None:
            raise problems.dataset_not_found()
        for name in asked.model_fields_set:
            setattr(dataset, name, getattr(asked, name))
        changes = asked.model_dump(exclude_unset=True)
        audit.note(session, tenant_id, "dataset.updated", dataset.id, **changes)
    return dataset


def delete(tenant_id: str, dataset_id: str, store: ObjectStore) -> None:
    """Delete a dataset, then its bytes.

    Raises:
        Refused: `dataset_not_found`, `dataset_validating` or `dataset_in_use`.
    """
    with transaction() as session:
        repository = DatasetRepository(session, tenant_id)
        dataset = repository.lock(dataset_id)
        if dataset is None:
            raise problems.dataset_not_found()
        if dataset.status == lifecycle.VALIDATING:
            raise problems.dataset_validating()
        if repository.in_use(dataset_id):
            raise problems.dataset_in_use()
        lifecycle.change_dataset(session, dataset, lifecycle.DELETED)
        audit.note(session, tenant_id, "dataset.deleted", dataset.id)
    # Not before: a commit that fails would leave a dataset without its bytes. If the store is
    # away, the sweeper deletes.
    with contextlib.suppress(BotoCoreError, ClientError):
        store.delete_prefix(dataset_prefix(tenant_id, dataset_id))
