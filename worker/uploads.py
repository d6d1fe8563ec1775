"""Resumable uploads that nobody finished: their bytes are deleted."""

from core import uploads
from core.database import transaction
from core.object_store import ObjectStore
from core.settings import Settings


def expire_uploads(settings: Settings) -> None:
    """End every upload whose time is over, its bytes first: a lost commit means doing it again."""
    store = ObjectStore.from_settings(settings)
    while True:
        with transaction() as session:
            upload = uploads.next_expired(session)
            if upload is None:
                return
            uploads.discard(store, upload)
            upload.status = uploads.EXPIRED
