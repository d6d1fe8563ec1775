"""The API as a process: readiness while real servers are frozen, and metrics on their own port."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from core.settings import Settings

SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_on(url: str) -> psutil.Process:
    """The process that listens where a URL points."""
    port = urlsplit(url).port
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
            return psutil.Process(connection.pid)
    raise LookupError(url)


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


@pytest.fixture(scope="module")
def api(servers: Settings, ports: tuple[int, int]) -> Iterator[httpx2.Client]:
    environment = os.environ | {"UNLEARNABLE_API_METRICS_PORT": str(ports[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "service.main", f"--port={ports[0]}"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    with httpx2.Client(
        base_url=f"http://127.0.0.1:{ports[0]}", timeout=30, trust_env=False
    ) as client:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                client.get("/healthz")
                break
            except httpx2.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield client
    process.terminate()
    process.wait(30)


def ready(api: httpx2.Client) -> httpx2.Response:
    deadline = time.monotonic() + SECONDS
    while (answer := api.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    return answer


@pytest.mark.parametrize("part", ["database", "broker", "store"])
def test_a_server_that_hangs_is_named_in_time(
    api: httpx2.Client, servers: Settings, part: str
) -> None:
    assert ready(api).json()["checks"] == {"database": True, "broker": True, "store": True}
    assert servers.s3_endpoint_url is not None
    urls = {
        "database": servers.database_url,
        "broker": servers.broker_url.get_secret_value(),
        "store": servers.s3_endpoint_url,
    }
    server = server_on(urls[part])
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        process.suspend()
    try:
        answer = api.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["code"] == "not_ready"
        assert body["detail"] == f"No answer from: {part}."
        assert body["checks"] == {name: name != part for name in ("database", "broker", "store")}
        assert api.get("/healthz").status_code == 200
    finally:
        for process in frozen:
            process.resume()
    ready(api)


def test_metrics_have_a_port_of_their_own(api: httpx2.Client, ports: tuple[int, int]) -> None:
    assert api.get("/metrics").status_code == 404
    assert api.get("/v1/jobs/zebra").status_code == 401
    assert api.request("PROPFIND", "/zebra").status_code in {404, 405}
    text = httpx2.get(f"http://127.0.0.1:{ports[1]}/metrics", trust_env=False).text
    labels = 'method="GET",route="/v1/jobs/{job_id}",status="401"'
    assert f"unlearnable_http_request_seconds_count{{{labels}}} 1.0" in text
    assert 'method="other",route="other"' in text
    assert not {"zebra", "propfind"} & set(re.findall(r"\w+", text.lower()))
    assert "process_resident_memory_bytes" in text
