"""A few of the requests that `benchmarks.fuzz` makes of the OpenAPI document."""

import os
from pathlib import Path

import pytest

from benchmarks.fuzz import Fuzz, merged, open_things
from benchmarks.upload import running_api
from tests.service.played import Owner, PlayedWorker

CASES = 200


@pytest.mark.timeout(900)  # seconds; a busy machine draws slowly
def test_every_answer_is_as_documented(
    owner: Owner,
    worker: PlayedWorker,
    ready_dataset: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    things = merged(open_things(owner.api, ready_dataset["id"]))
    with running_api(
        os.environ | {"UNLEARNABLE_UPLOAD_WAIT_SECONDS": "5"}, tmp_path / "api.log"
    ) as (port, _):
        fuzz = Fuzz(f"http://127.0.0.1:{port}", owner.key, things, seed=0)
        fuzz.run(CASES)
    summary = fuzz.summary()
    assert summary["failures"] == 0, capsys.readouterr().err
    assert summary["cases"] == CASES
    assert summary["operations"] >= 35
    # Not only doors: requests got in.
    assert summary["by_status"]["200"] > 20
