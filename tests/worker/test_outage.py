"""Waiting for servers and for room on a disk."""

import threading
import time
from pathlib import Path

import pytest

from core.object_store import ObjectStore
from core.settings import Settings
from worker.outage import sit_out


@pytest.fixture
def store(servers: Settings) -> ObjectStore:
    return ObjectStore.from_settings(servers)


@pytest.fixture
def elsewhere(servers: Settings) -> ObjectStore:
    """A store at an address where nobody listens."""
    return ObjectStore.from_settings(
        servers.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:9"})
    )


def test_where_nothing_is_amiss_there_is_nothing_to_wait_for(
    store: ObjectStore, tmp_path: Path
) -> None:
    assert sit_out(store, tmp_path, 60) is False
    assert list(tmp_path.iterdir()) == []


def test_an_outage_that_goes_on_is_given_up(elsewhere: ObjectStore, tmp_path: Path) -> None:
    assert sit_out(elsewhere, tmp_path, 0) is False


def test_an_outage_that_ends_was_nobodys_fault(
    store: ObjectStore, elsewhere: ObjectStore, tmp_path: Path
) -> None:
    def come_back() -> None:
        time.sleep(0.5)
        elsewhere.client = store.client

    back = threading.Thread(target=come_back)
    back.start()
    assert sit_out(elsewhere, tmp_path, 60) is True
    back.join()
