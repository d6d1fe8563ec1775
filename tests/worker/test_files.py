"""Transfers tell how far they are, and stop when their step does."""

import threading
from pathlib import Path

import pytest

from core import steps
from core.database import transaction
from core.settings import Settings
from core.tables import Step
from tests.worker.played_jobs import add_dataset, empty_queue, start_job, take
from worker import files
from worker.context import Drained, open_context
from worker.files import TransferStopped, fetch, store

SIZE = 3_000_000


@pytest.fixture
def claim(servers: Settings) -> steps.Claim:
    empty_queue()
    return take(start_job(add_dataset()))


def progress_of(claim: steps.Claim) -> float:
    with transaction() as session:
        return session.get_one(Step, claim.step_id).progress


def test_what_is_stored_comes_back(claim: steps.Claim, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"x" * SIZE)
    with open_context(claim) as context:
        key = context.attempt_prefix + "sent"
        digest = store(context, tmp_path / "sent", key, (0.0, 0.5))
        assert len(digest) == 64
        assert context.store.size(key) == SIZE
        fetch(context, {key: tmp_path / "got"}, (0.5, 1.0))
    assert (tmp_path / "got").read_bytes() == (tmp_path / "sent").read_bytes()


def test_a_long_transfer_is_told_while_it_lasts(
    claim: steps.Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "REPORT_SECONDS", 0.01)
    with open_context(claim) as context:
        arrived = threading.Event()

        def transfer(count: files.OnBytes) -> str:
            count(40)
            while progress_of(claim) < 0.2:
                arrived.wait(0.01)
            return "done"

        assert files._tell(context, transfer, 100, (0.0, 0.5)) == "done"
    assert progress_of(claim) == pytest.approx(0.2)


def test_a_step_that_is_asked_to_stop_stops_its_transfer(
    claim: steps.Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "REPORT_SECONDS", 0.01)
    ended: list[BaseException] = []

    def transfer(count: files.OnBytes) -> None:
        try:
            while True:
                count(1)
        except TransferStopped as stopped:
            ended.append(stopped)
            raise

    with open_context(claim) as context:
        context._drain_at = 0.0  # as SIGTERM notes it
        with pytest.raises(Drained):
            files._tell(context, transfer, 100, (0.0, 1.0))
    assert len(ended) == 1
