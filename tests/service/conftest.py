"""The API on the real servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from core import api_keys, database
from core.ids import new_id
from core.object_store import ObjectStore
from core.settings import Settings
from service.app import create_app
from tests.service.played import DocumentedAnswers, Owner, PlayedWorker

Patience = Callable[[float], None]


@pytest.fixture(scope="session")
def app(servers: Settings) -> FastAPI:
    return create_app(servers.model_copy(update={"upload_wait_seconds": 5.0}))


@pytest.fixture
def new_owner(app: FastAPI) -> Iterator[Callable[[], Owner]]:
    with ExitStack() as stack:

        def create() -> Owner:
            with database.transaction() as session:
                key = api_keys.create(session, new_id("tenant"), "test")
                caller = api_keys.find(session, key)
            assert caller is not None
            api = stack.enter_context(TestClient(app, raise_server_exceptions=False))
            api.headers["Authorization"] = f"Bearer {key}"
            api.event_hooks = {"response": [DocumentedAnswers(app)]}
            return Owner(caller.tenant_id, key, api)

        yield create


@pytest.fixture
def owner(new_owner: Callable[[], Owner]) -> Owner:
    return new_owner()


@pytest.fixture
def worker() -> Iterator[PlayedWorker]:
    with PlayedWorker() as worker:
        yield worker


@pytest.fixture
def patience(app: FastAPI) -> Iterator[Patience]:
    """Sets how long answers wait for a worker; long at first, since this machine may be busy."""
    settings = app.state.settings

    def wait(seconds: float) -> None:
        app.state.settings = settings.model_copy(update={"upload_wait_seconds": seconds})

    wait(120)
    yield wait
    app.state.settings = settings


@pytest.fixture
def store(app: FastAPI) -> ObjectStore:
    store = app.state.store
    assert isinstance(store, ObjectStore)
    return store


@pytest.fixture
def ready_dataset(owner: Owner, worker: PlayedWorker) -> dict[str, Any]:
    response = owner.api.post("/v1/datasets", files={"file": ("digits.npz", b"bytes")})
    assert response.status_code == 201
    return dict(response.json())


@pytest.fixture
def job(owner: Owner, ready_dataset: dict[str, Any]) -> dict[str, Any]:
    response = owner.api.post(
        "/v1/jobs", json={"dataset_id": ready_dataset["id"], "epsilon": "8/255"}
    )
    assert response.status_code == 202
    return dict(response.json())
