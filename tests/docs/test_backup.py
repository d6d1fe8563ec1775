"""Backup, loss of everything, restore: as the manual says, on real servers."""

import subprocess
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from cli.stack import binaries
from core import api_keys, database, lifecycle
from core.database import transaction
from core.ids import new_id
from core.object_store import ObjectStore, job_prefix
from core.settings import Settings
from core.tables import Artifact
from service.app import create_app
from tests.rows import add_dataset, add_job

MANUAL = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
DUMP = ["--format=custom", "--no-owner"]
RESTORE = ["--clean", "--if-exists", "--no-owner"]
RESULT = b"protected images"


def postgres(program: str, *arguments: str | Path) -> None:
    path = binaries.postgres_package() / "pginstall18" / "bin" / program
    done = subprocess.run(
        [binaries.executable(path), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def finished_job(store: ObjectStore) -> tuple[str, str]:
    """A job that has succeeded, with a result in the store; returns its id and its owner's key."""
    with transaction() as session:
        key = api_keys.create(session, new_id("tenant"), "test")
        caller = api_keys.find(session, key)
        assert caller is not None
        dataset = add_dataset(
            session,
            caller.tenant_id,
            summary={
                "layout": "npz",
                "classes": ["a", "b"],
                "counts": {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}},
                "image_shape": [8, 8, 1],
                "test_split": "given",
                "notes": [],
            },
        )
        job = add_job(session, dataset, status=lifecycle.SUCCEEDED)
        object_key = f"{job_prefix(caller.tenant_id, job.id)}attempts/1/protected.npz"
        session.add(
            Artifact(
                id=new_id("art"),
                tenant_id=caller.tenant_id,
                job_id=job.id,
                kind="protected_dataset",
                name="protected.npz",
                content_type="application/octet-stream",
                object_key=object_key,
                size_bytes=len(RESULT),
                sha256="",
            )
        )
    store.put_bytes(object_key, RESULT)
    return job.id, key


def read(app: FastAPI, job_id: str, key: str) -> tuple[int, int]:
    """The status of a job's page and the number of its artifacts."""
    with TestClient(app) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        job = client.get(f"/v1/jobs/{job_id}")
        listed = client.get(f"/v1/jobs/{job_id}/artifacts")
    return job.status_code, len(listed.json().get("data", []))


def test_a_job_is_readable_after_backup_wipe_and_restore(servers: Settings, tmp_path: Path) -> None:
    for flag in (*DUMP, *RESTORE):
        assert flag in MANUAL
    url = servers.database_url.replace("postgresql+psycopg://", "postgresql://")
    store = ObjectStore.from_settings(servers)
    app = create_app(servers)
    job_id, key = finished_job(store)
    assert read(app, job_id, key) == (200, 1)

    dump = tmp_path / "unlearnable.dump"
    postgres("pg_dump", *DUMP, f"--file={dump}", url)
    copied = {name: store.get_bytes(name) for name in store.keys("")}

    with database.get_engine().begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    for name in copied:
        store.delete(name)
    assert list(store.keys("")) == []

    for name, content in copied.items():
        store.put_bytes(name, content)
    postgres("pg_restore", *RESTORE, f"--dbname={url}", dump)
    database.migrate(servers.database_url)
    database.get_engine().dispose()

    assert read(app, job_id, key) == (200, 1)
    with transaction() as session:
        [artifact] = session.query(Artifact).filter_by(job_id=job_id)
    assert store.get_bytes(artifact.object_key) == RESULT
