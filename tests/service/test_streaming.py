"""Large and broken uploads, through a real API process into the real store."""

import asyncio
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ReadTimeoutError
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from core.object_store import PART_BYTES, MultipartUpload, ObjectStore, tenant_prefix
from core.settings import MIB, Settings
from service.app import create_app
from service.kit.part_writer import PartMemory, PartWriter, Written
from tests.service.played import Owner, problem
from worker.leftovers import delete_unclaimed_uploads

PATIENCE_SECONDS = 120.0
LIMIT = 160 * MIB
BLOCK = os.urandom(MIB)
HEAD = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
TAIL = b"\r\n--XX--\r\n"


@dataclass
class Server:
    port: int
    process: psutil.Process
    log: Path

    def rss(self) -> int:
        return int(self.process.memory_info().rss)


@contextmanager
def run_server(folder: Path, *arguments: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    path = folder / "api.log"
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.app:create_app"]
    with path.open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), *arguments],
            env=os.environ | {"UNLEARNABLE_MAX_UPLOAD_BYTES": str(LIMIT)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: answers(port), "the API answers")
        yield Server(port, psutil.Process(process.pid), path)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def server(servers: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("api")) as server:
        yield server


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


def is_clean(store: ObjectStore, owner: Owner) -> bool:
    """Whether neither an object nor an unfinished upload of the owner is in the store."""
    prefix = tenant_prefix(owner.tenant_id)
    unfinished = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=prefix)
    return not unfinished.get("Uploads") and not list(store.keys(prefix))


@contextmanager
def begin(server: Server, owner: Owner, length: int | None) -> Iterator[http.client.HTTPConnection]:
    """Send the head of an upload; without `length`, in chunks."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.putrequest("POST", "/v1/datasets")
        connection.putheader("Authorization", f"Bearer {owner.key}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=XX")
        connection.putheader("Prefer", "respond-async")
        if length is None:
            connection.putheader("Transfer-Encoding", "chunked")
        else:
            connection.putheader("Content-Length", str(len(HEAD) + length + len(TAIL)))
        connection.endheaders()
        yield connection


def test_memory_stays_flat(server: Server, owner: Owner) -> None:
    with begin(server, owner, LIMIT) as connection:
        connection.send(HEAD)
        before, most, digest = server.rss(), 0, hashlib.sha256()
        for _ in range(LIMIT // MIB):
            connection.send(BLOCK)
            digest.update(BLOCK)
            most = max(most, server.rss())
        connection.send(TAIL)
        response = connection.getresponse()
        assert response.status == 202
        address = response.getheader("location")
        response.read()
    dataset = owner.api.get(address or "").json()
    assert dataset["size_bytes"] == LIMIT
    assert dataset["sha256"] == digest.hexdigest()
    # Four parts, and what the client of the store needs.
    assert most - before < 4 * PART_BYTES + 32 * MIB


def test_many_uploads_at_once_hold_one_part_each_and_those_on_their_way(
    owner: Owner, store: ObjectStore
) -> None:
    uploads, underway, mebibytes = 4, 2, 21
    prefix = tenant_prefix(owner.tenant_id)

    async def send(memory: PartMemory, number: int) -> Written:
        writer = PartWriter(store, f"{prefix}{number}", "application/octet-stream", memory)
        for _ in range(mebibytes):
            await writer.write(memoryview(BLOCK))
        return await writer.finish()

    async def send_all() -> list[Written]:
        memory = PartMemory(underway)
        return await asyncio.gather(*(send(memory, number) for number in range(uploads)))

    tracemalloc.start()
    try:
        written = asyncio.run(send_all())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    digest = hashlib.sha256(BLOCK * mebibytes).hexdigest()
    assert written == [Written(mebibytes * MIB, digest)] * uploads
    for number in range(uploads):
        assert store.sha256_of(f"{prefix}{number}", mebibytes * MIB) == digest
    assert most < (uploads + underway) * PART_BYTES + 8 * MIB


def test_a_declared_size_is_refused_before_the_first_byte(server: Server, owner: Owner) -> None:
    with begin(server, owner, 10**12) as connection:
        response = connection.getresponse()
        assert response.status == 413
        assert b"upload_too_large" in response.read()


def test_bytes_are_counted(server: Server, owner: Owner, store: ObjectStore) -> None:
    with begin(server, owner, None) as connection:
        connection.send(b"%x\r\n%b\r\n" % (len(HEAD), HEAD))
        for _ in range(LIMIT // MIB + 1):
            connection.send(b"%x\r\n%b\r\n" % (MIB, BLOCK))
        response = connection.getresponse()
        assert response.status == 413
        assert b"upload_too_large" in response.read()
    assert is_clean(store, owner)


@pytest.mark.parametrize("sent_mib", [0, 1, 40])
def test_a_client_that_hangs_up_leaves_nothing(
    server: Server, owner: Owner, store: ObjectStore, sent_mib: int
) -> None:
    with begin(server, owner, 100 * MIB) as connection:
        connection.send(HEAD)
        for _ in range(sent_mib):
            connection.send(BLOCK)
        if sent_mib > PART_BYTES // MIB:
            wait_until(lambda: not is_clean(store, owner), "a part is on its way")
    wait_until(lambda: is_clean(store, owner), "nothing remains")
    assert owner.api.get("/v1/datasets").json()["data"] == []
    assert "Traceback" not in server.log.read_text()


def test_a_shutdown_in_the_middle_leaves_nothing(
    owner: Owner, store: ObjectStore, tmp_path: Path
) -> None:
    """uvicorn cancels what is still running once its patience ends."""
    with (
        run_server(tmp_path, "--timeout-graceful-shutdown", "1") as server,
        begin(server, owner, 100 * MIB) as connection,
    ):
        connection.send(HEAD)
        for _ in range(40):
            connection.send(BLOCK)
        wait_until(lambda: not is_clean(store, owner), "a part is on its way")
        server.process.terminate()
        server.process.wait(timeout=30)
    assert is_clean(store, owner)


def test_without_a_store_nothing_is_promised(servers: Settings, owner: Owner) -> None:
    app = create_app(servers.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"}))
    api = TestClient(app, headers={"Authorization": f"Bearer {owner.key}"})
    problem(api.post("/v1/datasets", files={"file": b"x"}), 503, "store_unavailable")
    assert owner.api.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize("breaks", ["write_part", "complete"])
def test_a_store_that_fails_halfway_keeps_nothing(
    owner: Owner, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    works = getattr(MultipartUpload, breaks)

    def fail(upload: MultipartUpload, number: int = 2, *data: bytearray) -> None:
        works(upload, *((number, *data) if data else ()))
        if number == 2:
            raise ReadTimeoutError(endpoint_url="")

    monkeypatch.setattr(MultipartUpload, breaks, fail)
    response = owner.api.post("/v1/datasets", files={"file": BLOCK * 20})
    problem(response, 503, "store_unavailable")
    assert is_clean(store, owner)
    assert owner.api.get("/v1/datasets").json()["data"] == []


def test_without_a_database_the_bytes_are_the_sweepers(
    owner: Owner, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a commit whose answer is lost came about is not known: nothing is deleted at once."""

    def fail(*_: object) -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr("core.lifecycle.record", fail)
    problem(owner.api.post("/v1/datasets", files={"file": b"x"}), 503, "database_unavailable")
    assert not is_clean(store, owner)
    delete_unclaimed_uploads(store, timedelta(0))
    assert is_clean(store, owner)
    assert owner.api.get("/v1/datasets").json()["data"] == []
