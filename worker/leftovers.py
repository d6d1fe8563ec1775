"""Uploads that nobody waits for any more: of an API that was killed on the way.

An upload lies in the store before its row lies in the database. Between the two the API may die;
then nobody will ever ask for these bytes, and only a look at the store finds them. The same holds
for uploads whose parts were never put together.
"""

import itertools
import logging
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from core import uploads
from core.database import transaction
from core.object_store import ObjectStore
from core.settings import Settings
from core.tables import Dataset

BATCH = 500

log = logging.getLogger(__name__)
_due = 0.0  # when this process walks next


def clear_leftovers(settings: Settings) -> None:
    """Walk the store, but only once in `leftover_seconds`."""
    global _due
    if time.monotonic() < _due:
        return
    store = ObjectStore.from_settings(settings)
    abort_unfinished_uploads(store, timedelta(seconds=settings.unfinished_upload_seconds))
    delete_unclaimed_uploads(store, timedelta(seconds=settings.leftover_seconds))
    # Only after a walk to the end: one that failed is tried again at the next sweep.
    _due = time.monotonic() + settings.leftover_seconds


def abort_unfinished_uploads(store: ObjectStore, age: timedelta) -> None:
    """Give up multipart uploads that began longer ago than `age`."""
    for upload in list(store.unfinished_uploads()):
        if upload.began_at < datetime.now(UTC) - age and not _is_resumable(upload.id):
            store.abort(upload)
            log.warning("an unfinished upload was given up")


def _is_resumable(store_upload_id: str) -> bool:
    """Whether its owner may still send parts: such uploads have an end of their own."""
    with transaction() as session:
        return uploads.is_open(session, store_upload_id)


def delete_unclaimed_uploads(store: ObjectStore, age: timedelta) -> None:
    """Delete what lies under datasets that were never written down, once it is older than `age`.

    The row follows the last byte within seconds; only their age tells these bytes from others.
    """
    for tenant in store.folders("tenants/"):
        folders = store.folders(f"{tenant}datasets/")
        while batch := list(itertools.islice(folders, BATCH)):
            ids = {folder.rstrip("/").rpartition("/")[2]: folder for folder in batch}
            with transaction() as session:
                # In this order: an upload that becomes a dataset between the two looks is still
                # found by the second.
                known = uploads.expected_datasets(session, ids)
                known |= set(session.scalars(select(Dataset.id).where(Dataset.id.in_(ids))))
            for dataset_id in ids.keys() - known:
                newest = store.newest(ids[dataset_id])
                if newest is not None and newest < datetime.now(UTC) - age:
                    store.delete_prefix(ids[dataset_id])
                    log.warning("%s: its upload was never written down; deleted", dataset_id)
