"""One whole stack for all end-to-end tests: the processes that `unlearnable up` starts.

With `E2E_API_URL` and `E2E_API_KEY` in the environment the owner uses a stack that runs elsewhere,
such as the composed one (docker/verify.sh); what looks behind the API needs our own.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from cli.stack.info import StackInfo
from cli.stack.stack import running_stack
from core.object_store import ObjectStore
from core.settings import Settings
from tests.end_to_end.owner import SAMPLE, Arrays, Owner, save_folder, save_npz


@pytest.fixture(scope="session")
def stack() -> Iterator[StackInfo]:
    with contextlib.ExitStack() as running:
        with pytest.MonkeyPatch.context() as environment:  # of its processes, not of later tests
            # The README's journeys name no budget, and their sample is small here.
            environment.setenv("UNLEARNABLE_DEFAULT_BUDGET_SECONDS", "3")
            # Owners' servers are on this machine here.
            environment.setenv("UNLEARNABLE_WEBHOOK_PRIVATE_NETWORKS", "127.0.0.0/8")
            info = running.enter_context(running_stack())
        yield info


@pytest.fixture(scope="session")
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    url, key = os.environ.get("E2E_API_URL"), os.environ.get("E2E_API_KEY")
    stack: StackInfo | None = None
    if url is None or key is None:
        stack = request.getfixturevalue("stack")
        url, key = stack.api_url, stack.api_key
    with httpx2.Client(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
    ) as http:
        yield Owner(http, stack)


@pytest.fixture(scope="session")
def digits() -> Arrays:
    """80 training and 80 test images of the first four digits of the real sample."""
    with np.load(SAMPLE, allow_pickle=False) as sample:
        chosen = {}
        for split, count in (("train", 20), ("test", 20)):
            labels = sample[f"y_{split}"]
            index = np.sort(
                np.concatenate([np.flatnonzero(labels == digit)[:count] for digit in range(4)])
            )
            chosen[f"x_{split}"] = sample[f"x_{split}"][index]
            chosen[f"y_{split}"] = labels[index]
    return chosen


@pytest.fixture(scope="session")
def digits_npz(owner: Owner, digits: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The digits as an uploaded, ready dataset."""
    path = tmp_path_factory.mktemp("npz") / "digits.npz"
    save_npz(path, digits)
    return owner.upload(path)


@pytest.fixture
def folder_zip(digits: Arrays, tmp_path: Path) -> Callable[..., Path]:
    """Writes the digits as the zip of an image folder, with a split or without."""

    def write(*, split: bool) -> Path:
        path = tmp_path / "digits.zip"
        save_folder(path, digits, split=split)
        return path

    return write


@pytest.fixture
def store(stack: StackInfo, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The stack's object store, seen from behind."""
    for name, value in stack.environment.items():
        if name.startswith("UNLEARNABLE_"):
            monkeypatch.setenv(name, value)
    return ObjectStore.from_settings(Settings())
