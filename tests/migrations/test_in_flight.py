"""An upgrade loses no job: what the released version wrote, before or after, is worked on."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import NullPool, create_engine, func, make_url, select, text, update

from core import database, lifecycle, steps
from core.database import migrate, transaction
from core.ids import new_id
from core.pools import COMPUTE
from core.problem import Problem
from core.settings import Settings
from core.tables import Job, Step
from worker import flow

RELEASED = "20261122_first"

# As the released version's own code writes them.
TENANT = "INSERT INTO tenants (id, name) VALUES (:tenant, :tenant)"
DATASET = """
    INSERT INTO datasets (id, tenant_id, name, status, size_bytes, sha256, upload_key)
    VALUES (:dataset, :tenant, 'd', 'ready', 1, '', '')
"""
JOB = """
    INSERT INTO jobs (id, tenant_id, dataset_id, status, epsilon, seed, budget_seconds, progress,
                      metrics, started_at)
    VALUES (:job, :tenant, :dataset, :status, '3/10', 0, 1, 0, '{}',
            CASE :status WHEN 'running' THEN now() END)
"""
STEP = """
    INSERT INTO steps (id, tenant_id, dataset_id, job_id, kind, pool, status, payload, progress,
                       lease_token, lease_owner, lease_expires_at, lost_count)
    VALUES (:step, :tenant, :dataset, :job, 'train', 'compute', :status, '{}', 0,
            CASE :status WHEN 'running' THEN 1 ELSE 0 END,
            CASE :status WHEN 'running' THEN 'old' END,
            CASE :status WHEN 'running' THEN now() + interval '60 seconds' END, 0)
"""
HEARTBEAT = """
    UPDATE steps SET lease_expires_at = now() + interval '60 seconds'
    WHERE id = :step AND lease_token = 1 AND status = 'running' RETURNING id
"""


@pytest.fixture
def schema(servers: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A schema of its own, in which also our own code works."""
    url = make_url(servers.database_url)
    name = new_id("test")
    owner = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    here = url.update_query_dict({"options": f"-csearch_path={name}"})
    address = here.render_as_string(hide_password=False)
    settings = servers.model_copy(update={"database_url": address})
    monkeypatch.setattr(database, "get_settings", lambda: settings)
    yield address
    database.get_engine().dispose()
    with owner.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def write(url: str, status: str, ids: dict[str, str]) -> dict[str, str]:
    """A job and its first step, written by the released version; returns their ids."""
    ids = ids | {"job": new_id("job"), "step": new_id("step"), "status": status}
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(JOB), ids)
        connection.execute(text(STEP), ids)
    return ids


def test_jobs_in_flight_outlive_the_upgrade(schema: str) -> None:
    migrate(schema, RELEASED)
    owner = {"tenant": new_id("ten"), "dataset": new_id("ds")}
    engine = create_engine(schema, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(TENANT), owner)
        connection.execute(text(DATASET), owner)
    waiting = write(schema, "queued", owner)
    running = write(schema, "running", owner)

    migrate(schema)

    # Processes of the released version live on until they are replaced.
    late = write(schema, "queued", owner)
    with engine.begin() as connection:
        renewed = connection.execute(text(HEARTBEAT), {"step": running["step"]}).scalar_one()
    assert renewed == running["step"]

    # Its worker is gone in the end: the lease runs out, and the new one takes the step up.
    with transaction() as session:
        session.execute(
            update(Step)
            .where(Step.id == running["step"])
            .values(lease_expires_at=func.now() - timedelta(seconds=1))
        )
    with transaction() as session:
        [expired] = steps.expired(session)
    with transaction() as session:
        flow.lose(session, expired, Problem("worker_lost", "Gone."), 3, only_if_expired=True)

    taken = {}
    for _ in range(3):
        with transaction() as session:
            claim = steps.claim(session, COMPUTE, "new", 60, kinds=flow.KINDS)
        assert claim is not None
        with transaction() as session:
            assert flow.begin(session, claim)
        taken[claim.job_id] = claim.token
    assert taken == {waiting["job"]: 1, running["job"]: 2, late["job"]: 1}
    with transaction() as session:
        states = set(session.scalars(select(Job.status)))
    assert states == {lifecycle.RUNNING}
