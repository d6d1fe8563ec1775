"""Uploads that nobody waits for any more are found in the store and deleted; no others."""

from datetime import UTC, datetime, timedelta

import pytest

from core import uploads
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, dataset_prefix
from core.settings import Settings
from core.tables import Tenant, Upload
from tests.locks import right_after
from tests.rows import add_dataset
from worker.leftovers import abort_unfinished_uploads, delete_unclaimed_uploads

AT_ONCE, LATER = timedelta(0), timedelta(hours=1)


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


@pytest.fixture
def unclaimed(store: ObjectStore) -> str:
    """The prefix of an upload whose API was killed before it wrote a row."""
    prefix = dataset_prefix(new_id("ten"), new_id("ds"))
    store.put_bytes(f"{prefix}upload", b"x")
    return prefix


@pytest.fixture
def claimed(store: ObjectStore) -> str:
    """The prefix of an upload that is a dataset."""
    with transaction() as session:
        dataset = add_dataset(session, status="validating")
        prefix = dataset_prefix(dataset.tenant_id, dataset.id)
        dataset.upload_key = f"{prefix}upload"
    store.put_bytes(f"{prefix}upload", b"x")
    return prefix


def test_what_no_row_knows_is_deleted_once_it_is_old(
    store: ObjectStore, unclaimed: str, claimed: str
) -> None:
    delete_unclaimed_uploads(store, LATER)
    assert list(store.keys(unclaimed)) == [f"{unclaimed}upload"]
    delete_unclaimed_uploads(store, AT_ONCE)
    assert list(store.keys(unclaimed)) == []
    assert list(store.keys(claimed)) == [f"{claimed}upload"]


def test_an_upload_in_parts_is_given_up_once_it_is_old(store: ObjectStore) -> None:
    key = dataset_prefix(new_id("ten"), new_id("ds")) + "upload"
    store.multipart(key, "application/octet-stream").write_part(1, b"x")

    def unfinished() -> list[str]:
        return [upload.key for upload in store.unfinished_uploads() if upload.key == key]

    abort_unfinished_uploads(store, LATER)
    assert unfinished() == [key]
    [upload] = [one for one in store.unfinished_uploads() if one.key == key]
    abort_unfinished_uploads(store, AT_ONCE)
    assert unfinished() == []
    store.abort(upload)  # it is gone: no error


def test_the_bucket_ends_unfinished_uploads_by_itself(store: ObjectStore) -> None:
    store.ensure_bucket()
    store.ensure_bucket()  # a second time changes nothing
    rules = store.client.get_bucket_lifecycle_configuration(Bucket=store.bucket)["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"] for rule in rules] == [
        {"DaysAfterInitiation": 2}
    ]


def add_upload(store: ObjectStore) -> Upload:
    """A completed upload that is no dataset yet."""
    tenant, dataset = new_id("ten"), new_id("ds")
    key = uploads.object_key(tenant, dataset)
    with transaction() as session:
        session.add(Tenant(id=tenant, name=tenant))
        session.flush()
        upload = Upload(
            id=new_id("upl"),
            tenant_id=tenant,
            dataset_id=dataset,
            name="d",
            status=uploads.COMPLETED,
            size_bytes=1,
            part_size_bytes=1,
            sha256="",
            object_key=key,
            store_upload_id=store.begin_multipart(key, "application/octet-stream"),
            expires_at=datetime.now(UTC) + LATER,
        )
        session.add(upload)
    store.put_bytes(key, b"x")
    return upload


def test_what_its_owner_may_still_send_stays(store: ObjectStore) -> None:
    key = add_upload(store).object_key
    delete_unclaimed_uploads(store, AT_ONCE)
    abort_unfinished_uploads(store, AT_ONCE)
    assert list(store.keys(key)) == [key]
    assert key in [upload.key for upload in store.unfinished_uploads()]


@pytest.mark.parametrize("table", ["uploads", "datasets"])
def test_what_becomes_a_dataset_during_the_look_stays(store: ObjectStore, table: str) -> None:
    """Whichever table is looked at first: the row that leaves one has come into the other."""
    upload = add_upload(store)

    def use() -> None:
        with transaction() as session:
            session.get_one(Upload, upload.id).status = uploads.USED
            add_dataset(session, upload.tenant_id, id=upload.dataset_id)

    with right_after(f"FROM {table}", upload.dataset_id, use):
        delete_unclaimed_uploads(store, AT_ONCE)
    assert list(store.keys(upload.object_key)) == [upload.object_key]
