"""A step whose process dies is explained, tried again, and given up in the end."""

from pathlib import Path

import pytest

from core import steps
from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from core.tables import Dataset, Step
from tests.rows import add_dataset
from worker.launcher import Launcher


def test_a_process_that_dies_every_time_is_given_up_with_a_reason(
    servers: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Imported where the environment names the broker: Celery is told of it on import.
    from worker.supervisor import work_off

    # No room to work in: the process ends before it begins.
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNLEARNABLE_SCRATCH_DIR", str(tmp_path / "file"))
    pool = new_id("pool")
    with transaction() as session:
        dataset = add_dataset(session, status="validating")
        step = steps.enqueue(
            session, kind="train", pool=pool, tenant_id=dataset.tenant_id, dataset_id=dataset.id
        )
    launcher = Launcher()
    work_off(pool, launcher, draining=lambda: False)
    launcher.close()
    with transaction() as session:
        ended = session.get_one(Step, step.id)
        assert (ended.status, ended.lease_token) == ("failed", servers.max_lost)
        row = session.get_one(Dataset, dataset.id)
        assert row.status == "rejected"
        assert row.error is not None
        assert row.error["code"] == "worker_crashed"
        assert row.error["retryable"] is True
