"""What is erased leaves nothing in the store and no name in the database, and a receipt."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import undefer

from core import erasure, lifecycle
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, dataset_prefix, job_prefix, tenant_prefix
from core.settings import Settings
from core.tables import (
    Artifact,
    Baseline,
    Dataset,
    Erasure,
    Generator,
    IdempotencyKey,
    Job,
    MetricPoint,
    Step,
    Webhook,
    WebhookDelivery,
)
from tests import rows
from worker.erasure import erase_datasets
from worker.purge import purge_datasets, purge_jobs

LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
NAME = "zebra"
SUMMARY = {
    "layout": "npz",
    "classes": [f"{NAME}-0", f"{NAME}-1"],
    "counts": {"train": {f"{NAME}-0": 3, f"{NAME}-1": 4}, "test": {f"{NAME}-0": 1}},
    "image_shape": [28, 28, 1],
    "test_split": "given",
    "notes": [f"{NAME}.txt was left out"],
}


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


def add_dataset(store: ObjectStore, tenant_id: str | None = None) -> Dataset:
    """With an original, canonical files and two parts of something."""
    with transaction() as session:
        row = rows.add_dataset(
            session,
            tenant_id,
            name=NAME,
            summary=SUMMARY,
            sha256=hashlib.sha256(b"original").hexdigest(),
            size_bytes=8,
            ready_at=LONG_AGO,
        )
    prefix = dataset_prefix(row.tenant_id, row.id)
    store.put_bytes(prefix + "upload", b"original")
    for number in range(3):
        store.put_bytes(f"{prefix}attempts/a/canonical/{number}", b"123")
    return row


def add_job(store: ObjectStore, dataset: Dataset, **columns: Any) -> Job:
    """Done, with a protected file, a generator, a checkpoint and what is known of them."""
    with transaction() as session:
        done = {"status": "succeeded", "finished_at": LONG_AGO, "evaluation": {"class": NAME}}
        job = rows.add_job(
            session,
            dataset,
            **{**done, "options": {"metadata": {"note": NAME}, "recipe": "x"}, **columns},
        )
        prefix = job_prefix(job.tenant_id, job.id) + "attempts/a/"
        for name, kind in (("protected.npz", "protected_dataset"), ("g", "generator")):
            session.add(
                Artifact(
                    id=new_id("art"),
                    tenant_id=job.tenant_id,
                    job_id=job.id,
                    kind=kind,
                    name=f"{NAME}.npz",
                    content_type="application/octet-stream",
                    object_key=prefix + name,
                    size_bytes=2,
                    sha256=hashlib.sha256(b"xx").hexdigest(),
                )
            )
        session.add(
            Generator(
                id=new_id("gen"),
                tenant_id=job.tenant_id,
                job_id=job.id,
                object_key=prefix + "g",
                size_bytes=2,
                sha256="",
                training={},
            )
        )
        session.add(MetricPoint(tenant_id=job.tenant_id, job_id=job.id, phase="p", metrics={}))
        session.add(
            Step(
                id=new_id("step"),
                tenant_id=job.tenant_id,
                dataset_id=dataset.id,
                job_id=job.id,
                kind="evaluate",
                pool="compute",
                status="done",
                result={"class": NAME},
                finished_at=LONG_AGO,
            )
        )
    for name in ("protected.npz", "g", "checkpoint-1"):
        store.put_bytes(prefix + name, b"xx")
    return job


def request(dataset: Dataset) -> str:
    with transaction() as session:
        row = erasure.request(session, dataset.tenant_id, dataset.id)
        assert row is not None
        return row.id


def receipt(erasure_id: str) -> Erasure:
    with transaction() as session:
        return session.get_one(Erasure, erasure_id)


def test_nothing_is_left_but_the_receipt(store: ObjectStore, servers: Settings) -> None:
    dataset = add_dataset(store)
    other = add_dataset(store, dataset.tenant_id)
    job, kept = add_job(store, dataset), add_job(store, other)
    pair = add_job(store, other, id=new_id("eval"), compared_dataset_id=dataset.id)
    tenant = dataset.tenant_id
    prefix = dataset_prefix(tenant, dataset.id)
    store.begin_multipart(prefix + "attempts/b/unfinished", "application/octet-stream")
    with transaction() as session:
        session.add(
            Baseline(
                key=new_id("k"),
                tenant_id=tenant,
                dataset_sha256=dataset.sha256,
                step_id="s",
                result={"class": NAME},
            )
        )
        body = json.dumps({"id": dataset.id, "name": NAME}).encode()
        session.add(IdempotencyKey(tenant_id=tenant, key="a", fingerprint="", body=body))
        session.add(IdempotencyKey(tenant_id=tenant, key="b", fingerprint="", body=b"{}"))
        session.add(
            Webhook(
                id=new_id("wh"),
                tenant_id=tenant,
                url="https://example.com/",
                events=["*"],
                description="",
                salt="",
            )
        )
        session.flush()
        lifecycle.announce(session, session.get_one(Job, job.id), "job.succeeded")
    erase_datasets(servers)  # nothing was asked for
    assert len(list(store.keys(prefix))) == 4

    with transaction() as session:
        for table in (Job, Dataset):
            session.execute(update(table).values(purged_at=func.now()))
    erasure_id = request(dataset)
    assert request(dataset) == erasure_id
    with transaction() as session:
        found = session.scalars(select(Artifact.job_id).where(Artifact.tenant_id == tenant)).all()
    assert set(found) == {kept.id}  # nobody finds the others any more
    purge_datasets(servers)
    purge_jobs(servers)
    assert len(list(store.keys(prefix))) == 4  # they shall be counted
    erase_datasets(servers)

    gone = (prefix, job_prefix(tenant, job.id), job_prefix(tenant, pair.id))
    for where in gone:
        assert list(store.keys(where)) == []
        assert list(store.unfinished_uploads(where)) == []
    stay = (dataset_prefix(tenant, other.id), job_prefix(tenant, kept.id))
    assert len(list(store.keys(tenant_prefix(tenant)))) == 4 + 3
    assert all(list(store.keys(where)) for where in stay)

    told = receipt(erasure_id)
    assert told.completed_at is not None
    assert (told.objects, told.size_bytes) == (4 + 2 * 3, 8 + 3 * 3 + 2 * 3 * 2)
    assert told.job_ids == sorted([job.id, pair.id])
    assert told.files[0]["sha256"] == hashlib.sha256(b"original").hexdigest()
    assert sorted((file["kind"], file["job_id"]) for file in told.files[1:]) == sorted(
        (kind, job_id)
        for kind in ("generator", "protected_dataset")
        for job_id in (job.id, pair.id)
    )
    with transaction() as session:
        erased = session.get_one(Dataset, dataset.id)
        assert erased.status == lifecycle.DELETED
        assert erased.summary is not None
        assert erased.summary["counts"]["train"] == {"0": 3, "1": 4}
        for job_id in told.job_ids:
            row = session.get_one(Job, job_id, options=[undefer(Job.evaluation)])
            assert row.evaluation is None
            assert row.options == {"metadata": {}, "recipe": "x"}
        assert session.get(IdempotencyKey, (tenant, "a")) is None
        assert session.get(IdempotencyKey, (tenant, "b")) is not None
        assert not rows_that_tell(session, dataset.id, job.id, pair.id)
        sent = select(WebhookDelivery.type).where(WebhookDelivery.tenant_id == tenant)
        assert session.scalars(sent).all() == ["dataset.erased"]


def rows_that_tell(session: Any, *ids: str) -> list[str]:
    """Tables with a row that names one of the ids and still holds the owner's word."""
    found = []
    names = session.scalars(
        text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    ).all()
    for name in names:
        told = session.execute(
            text(
                f"SELECT count(*) FROM {name} t WHERE t::text ~ :ids AND t::text LIKE :word"  # noqa: S608
            ),
            {"ids": "|".join(ids), "word": f"%{NAME}%"},
        )
        if told.scalar_one():
            found.append(name)
    return found


def test_work_is_stopped_first(store: ObjectStore, servers: Settings) -> None:
    """Running jobs are cancelled; nothing is deleted while a worker may still write."""
    dataset = add_dataset(store)
    trained = add_job(store, dataset)
    with transaction() as session:
        generator = session.scalars(
            select(Generator.id).where(Generator.job_id == trained.id)
        ).one()
    elsewhere = add_dataset(store, dataset.tenant_id)
    running = add_job(store, dataset, status="running", finished_at=None)
    applied = add_job(store, elsewhere, status="queued", finished_at=None, generator_id=generator)
    with transaction() as session:
        session.execute(
            update(Step)
            .where(Step.job_id == running.id)
            .values(status="running", lease_token=1, finished_at=None)
        )
    erasure_id = request(dataset)
    with transaction() as session:
        assert session.get_one(Job, running.id).status == "cancelling"
        assert session.get_one(Job, applied.id).status == "cancelled"
    erase_datasets(servers)
    assert receipt(erasure_id).objects is None
    with transaction() as session:
        session.execute(
            update(Step)
            .where(Step.job_id == running.id)
            .values(status="dropped", finished_at=datetime.now(UTC))
        )
        lifecycle.settle(session, lifecycle.lock_job(session, running.id))
    erase_datasets(servers)
    assert receipt(erasure_id).objects is None
    with transaction() as session:
        session.execute(
            update(Step).where(Step.dataset_id == dataset.id).values(finished_at=LONG_AGO)
        )
    erase_datasets(servers)
    assert receipt(erasure_id).completed_at is not None
    assert list(store.keys(job_prefix(dataset.tenant_id, running.id))) == []
    assert list(store.keys(job_prefix(dataset.tenant_id, applied.id)))


def test_a_store_that_fails_on_the_way_leaves_the_erasure_open(
    store: ObjectStore, servers: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = add_dataset(store)
    erasure_id = request(dataset)

    def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "delete", fail)
        with pytest.raises(ConnectionError):
            erase_datasets(servers)
    assert receipt(erasure_id).completed_at is None
    assert receipt(erasure_id).objects == 4
    erase_datasets(servers)
    assert receipt(erasure_id).completed_at is not None
    assert receipt(erasure_id).objects == 4


def test_earlier_versions_go_too(servers: Settings, store: ObjectStore) -> None:
    bucket = f"versions-{new_id('b').replace('_', '-')}"
    versioned = ObjectStore(store.client, store.client, bucket)
    store.client.create_bucket(Bucket=bucket)
    store.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    prefix = dataset_prefix("ten_x", "ds_x")
    for content in (b"first", b"second"):
        versioned.put_bytes(prefix + "upload", content)
    versioned.erase_prefix(prefix)
    left = store.client.list_object_versions(Bucket=bucket, Prefix=prefix)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")
