"""Both clients against the API as a process, on the real servers."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from core import api_keys
from core.database import transaction
from core.ids import new_id
from core.settings import Settings
from tests.service.played import PlayedWorker
from unlearnable import AsyncUnlearnable, Unlearnable

SECONDS = 240.0


class Api:
    """The API on a port of its own, which keeps the port when it is started again."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service.main", f"--port={self._port}", "--grace=1"],
            stderr=subprocess.DEVNULL,
            env=os.environ | {"UNLEARNABLE_RATE_LIMIT_PER_SECOND": "0"},
        )
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                if httpx2.get(f"{self.url}/readyz", trust_env=False).is_success:
                    return
            except httpx2.TransportError:
                assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="session")
def api(servers: Settings) -> Iterator[Api]:
    api = Api()
    api.start()
    yield api
    api.kill()


@pytest.fixture
def worker(servers: Settings) -> Iterator[PlayedWorker]:
    with PlayedWorker() as worker:
        yield worker


@pytest.fixture
def key(servers: Settings) -> str:
    with transaction() as session:
        return api_keys.create(session, new_id("tenant"), "test")


class Blocking:
    """An `AsyncUnlearnable` with the methods of `Unlearnable`."""

    def __init__(self, part: Any, run: Callable[[Any], Any]) -> None:
        self._part, self._run = part, run

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return Blocking(found, self._run)

        def call(*args: Any, **kwargs: Any) -> Any:
            started = found(*args, **kwargs)
            if hasattr(started, "__aiter__"):
                return self._items(started)
            return self._run(started)

        return call

    def _items(self, items: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._run(anext(items))
            except StopAsyncIteration:
                return


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, api: Api, key: str) -> Iterator[Any]:
    """Either client; every test runs with both."""
    if request.param == "sync":
        with Unlearnable(key, api.url) as client:
            yield client
        return
    loop = asyncio.new_event_loop()
    awaited = AsyncUnlearnable(key, api.url)
    yield Blocking(awaited, loop.run_until_complete)
    loop.run_until_complete(awaited.close())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def later(seconds: float, act: Callable[[], None]) -> None:
    """Do something while the test waits."""
    threading.Timer(seconds, act).start()
