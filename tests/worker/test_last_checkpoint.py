"""A step goes on from its checkpoint, and from the start if a restored store has none."""

from pathlib import Path

import pytest

from core.ids import new_id
from core.object_store import ObjectStore
from core.settings import Settings
from core.steps import Claim
from worker.context import StepContext


@pytest.mark.parametrize("stored", [b"state", None])
def test_last_checkpoint(servers: Settings, tmp_path: Path, stored: bytes | None) -> None:
    store = ObjectStore.from_settings(servers)
    key = f"tenants/{new_id('ten')}/jobs/{new_id('job')}/attempts/1/checkpoint"
    if stored is not None:
        store.put_bytes(key, stored)
    claim = Claim(
        step_id=new_id("step"),
        token=2,
        kind="train",
        tenant_id="t",
        dataset_id="d",
        job_id="j",
        payload={},
        checkpoint_key=key,
    )
    assert StepContext(claim, servers, store, tmp_path).last_checkpoint() == stored
