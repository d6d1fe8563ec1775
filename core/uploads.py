"""The life of a resumable upload, and where its bytes lie.

pending -> completed -> used            (by a dataset)
   └──────────┴──> cancelled | expired
"""

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.object_store import ObjectStore, dataset_prefix
from core.tables import Upload

PENDING, COMPLETED, USED = "pending", "completed", "used"
CANCELLED, EXPIRED = "cancelled", "expired"
OPEN = (PENDING, COMPLETED)
"""What holds bytes that no dataset has."""


def object_key(tenant_id: str, dataset_id: str) -> str:
    """Where the bytes of a dataset's upload lie, from the first part on: nothing is copied."""
    return dataset_prefix(tenant_id, dataset_id) + "upload"


def discard(store: ObjectStore, upload: Upload) -> None:
    """Remove every byte of an upload that no dataset uses; may be done twice."""
    store.abort_multipart(upload.object_key, upload.store_upload_id)
    store.delete_prefix(dataset_prefix(upload.tenant_id, upload.dataset_id))


def is_open(session: Session, store_upload_id: str) -> bool:
    """Whether the parts of this multipart upload still have an owner who may go on."""
    found = session.scalar(
        select(Upload.id).where(Upload.store_upload_id == store_upload_id, Upload.status.in_(OPEN))
    )
    return found is not None


def expected_datasets(session: Session, ids: Iterable[str]) -> set[str]:
    """Those of the ids of datasets that an open upload may still become."""
    return set(
        session.scalars(
            select(Upload.dataset_id).where(Upload.dataset_id.in_(ids), Upload.status.in_(OPEN))
        )
    )


def next_expired(session: Session) -> Upload | None:
    """An open upload whose time is over, locked; None if there is none."""
    return session.scalars(
        select(Upload)
        .where(Upload.status.in_(OPEN), Upload.expires_at < func.now())
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
