"""What becomes of a resumable upload between its first part and its dataset."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func
from sqlalchemy.orm import Session

from core import audit, uploads
from core.database import reading, transaction
from core.ids import new_id
from core.object_store import ObjectStore
from core.settings import Settings
from core.tables import Upload
from service.datasets.problems import upload_too_large
from service.datasets.repository import PREFIX as DATASET_PREFIX
from service.kit.pages import Page
from service.uploads import problems
from service.uploads.repository import PREFIX, UploadRepository
from service.uploads.schemas import (
    DEFAULT_PART,
    LEAST_PART,
    MOST_PARTS,
    Part,
    PartLink,
    PartsRequest,
    UploadRequest,
    part_bytes,
    part_count,
)


def begin(tenant_id: str, asked: UploadRequest, store: ObjectStore, settings: Settings) -> Upload:
    """Open an upload. The id of the dataset that it may become is chosen now: its key needs it.

    Raises:
        Refusal: `upload_too_large`, `part_size_invalid`.
    """
    if asked.size_bytes > settings.max_upload_bytes:
        raise upload_too_large(settings.max_upload_bytes, "size_bytes")
    least = max(LEAST_PART, -(-asked.size_bytes // MOST_PARTS))
    part_size = asked.part_size_bytes or max(DEFAULT_PART, least)
    if part_size < least:
        raise problems.part_size_invalid(least)
    dataset_id = new_id(DATASET_PREFIX)
    key = uploads.object_key(tenant_id, dataset_id)
    row = Upload(
        id=new_id(PREFIX),
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        name=asked.name,
        status=uploads.PENDING,
        size_bytes=asked.size_bytes,
        part_size_bytes=part_size,
        sha256=asked.sha256,
        object_key=key,
        store_upload_id=store.begin_multipart(key, "application/octet-stream"),
        expires_at=datetime.now(UTC) + timedelta(seconds=settings.upload_seconds),
    )
    try:
        with transaction() as session:
            UploadRepository(session, tenant_id).add(row)
            audit.note(session, tenant_id, "upload.created", row.id, size_bytes=row.size_bytes)
    except BaseException:
        store.abort_multipart(key, row.store_upload_id)
        raise
    return row


def get(tenant_id: str, upload_id: str) -> Upload:
    """One upload.

    Raises:
        Refused: `upload_not_found`.
    """
    with reading() as session:
        upload = UploadRepository(session, tenant_id).get(upload_id)
    if upload is None:
        raise problems.upload_not_found()
    return upload


def page_of(tenant_id: str, page: Page) -> tuple[list[Upload], bool]:
    """A page of the tenant's uploads, and whether more follow."""
    with reading() as session:
        return UploadRepository(session, tenant_id).page(page)


def links(
    tenant_id: str, upload_id: str, asked: PartsRequest, store: ObjectStore, seconds: int
) -> list[PartLink]:
    """Links for these parts. Each takes one part of one size and checksum, and nothing else.

    Raises:
        Refused: `upload_not_found`, `upload_closed`, `part_unknown`.
    """
    upload = get(tenant_id, upload_id)
    if upload.status != uploads.PENDING:
        raise problems.upload_closed(upload.status)
    count = part_count(upload)
    for part in asked.parts:
        if part.number > count:
            raise problems.part_unknown(part.number, count)
    expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
    found = []
    for part in asked.parts:
        size = part_bytes(upload, part.number)
        url, headers = store.presigned_part(
            upload.object_key, upload.store_upload_id, part.number, size, part.sha256, seconds
        )
        found.append(
            PartLink(
                number=part.number,
                url=url,
                headers=headers,
                size_bytes=size,
                expires_at=expires_at,
            )
        )
    return found


def parts(tenant_id: str, upload_id: str, store: ObjectStore) -> list[Part]:
    """The parts that have arrived, by number; none once the upload is closed.

    Raises:
        Refused: `upload_not_found`.
    """
    upload = get(tenant_id, upload_id)
    if upload.status != uploads.PENDING:
        return []
    arrived = store.parts_of(upload.object_key, upload.store_upload_id)
    if arrived is None:
        # Put together, by a request that reads the whole now, or that did not live to its end.
        sizes = {n: part_bytes(upload, n) for n in range(1, part_count(upload) + 1)}
    else:
        sizes = {number: size for number, (size, _) in arrived.items()}
    return [Part(number=number, size_bytes=size) for number, size in sorted(sizes.items())]


def complete(tenant_id: str, upload_id: str, store: ObjectStore) -> Upload:
    """Put the parts together and check the whole. Doing so twice changes nothing.

    The whole may have gigabytes: nothing is locked and no connection is held while it is read. What
    is read cannot change meanwhile, only go, if the upload is cancelled or expires.

    Raises:
        Refused: `upload_not_found`, `upload_closed`, `parts_missing`; `upload_checksum_mismatch`,
            and then the upload is cancelled.
    """
    with transaction() as session:
        upload = _to_complete(session, tenant_id, upload_id)
        if upload.status != uploads.PENDING:
            return upload
        _assemble(upload, store)
    sound = store.sha256_of(upload.object_key, upload.size_bytes) == upload.sha256
    with transaction() as session:
        upload = _to_complete(session, tenant_id, upload_id)
        if upload.status != uploads.PENDING:
            return upload
        if sound:
            upload.status = uploads.COMPLETED
            upload.completed_at = func.now()
            session.flush()
            session.refresh(upload, ("completed_at",))
        else:
            uploads.discard(store, upload)
            upload.status = uploads.CANCELLED
        action = "upload.completed" if sound else "upload.cancelled"
        audit.note(session, tenant_id, action, upload.id)
    if not sound:
        raise problems.checksum_mismatch()
    return upload


def _to_complete(session: Session, tenant_id: str, upload_id: str) -> Upload:
    """The upload, locked: pending, or completed by an earlier request.

    Raises:
        Refused: `upload_not_found`, `upload_closed`.
    """
    upload = _locked(session, tenant_id, upload_id)
    if upload.status in {uploads.COMPLETED, uploads.USED}:
        audit.note(session, tenant_id, "upload.completed", upload.id)
    elif upload.status != uploads.PENDING:
        raise problems.upload_closed(upload.status)
    return upload


def _assemble(upload: Upload, store: ObjectStore) -> None:
    arrived = store.parts_of(upload.object_key, upload.store_upload_id)
    if arrived is None:
        # Put together by a request whose answer or commit was lost; the checksum decides.
        return
    numbers = range(1, part_count(upload) + 1)
    missing = [n for n in numbers if arrived.get(n, (-1, ""))[0] != part_bytes(upload, n)]
    if missing:
        raise problems.parts_missing(missing, len(numbers))
    etags = {number: arrived[number][1] for number in numbers}
    store.complete_multipart(upload.object_key, upload.store_upload_id, etags)


def cancel(tenant_id: str, upload_id: str, store: ObjectStore) -> Upload:
    """Delete what has arrived. Doing so twice changes nothing.

    Raises:
        Refused: `upload_not_found`, `upload_used`.
    """
    with transaction() as session:
        upload = _locked(session, tenant_id, upload_id)
        if upload.status == uploads.USED:
            raise problems.upload_used()
        if upload.status in uploads.OPEN:
            uploads.discard(store, upload)
            upload.status = uploads.CANCELLED
        audit.note(session, tenant_id, "upload.cancelled", upload.id)
    return upload


def use(session: Session, tenant_id: str, upload_id: str) -> Upload:
    """Hand a completed upload over to its dataset, in the transaction that makes the dataset.

    Raises:
        Refused: `upload_not_found`, `upload_used`, `upload_not_completed`.
    """
    upload = UploadRepository(session, tenant_id).lock(upload_id)
    if upload is None:
        raise problems.upload_not_found("upload_id")
    if upload.status == uploads.USED:
        raise problems.upload_used()
    if upload.status != uploads.COMPLETED:
        raise problems.upload_not_completed(upload.status)
    upload.status = uploads.USED
    return upload


def _locked(session: Session, tenant_id: str, upload_id: str) -> Upload:
    upload = UploadRepository(session, tenant_id).lock(upload_id)
    if upload is None:
        raise problems.upload_not_found()
    return upload
