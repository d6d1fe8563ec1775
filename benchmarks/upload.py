"""How fast a large upload passes through the API into the store, and what memory that takes.

    python -m benchmarks.upload [--json] [--size-gb 2]

Starts PostgreSQL, Valkey, SeaweedFS and the API, writes a file that does not compress, and sends it
through `POST /v1/datasets`, and before and after that straight to the store with boto3's
`upload_file`. Both senders run in this process, so the machine is shared in the same way. Figures:

    ratio_to_boto3   throughput through the API / throughput of boto3 alone (mean of its two times)
    peak_rss_mb      largest resident memory of the API process, in MiB
    growth_mb        how much of that was added after the first 128 MiB had passed, in MiB
"""

import argparse
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from cli.stack.servers import running_servers
from core import api_keys
from core.database import transaction
from core.object_store import ObjectStore
from core.settings import MIB, get_settings

BLOCK = MIB
# Python, its libraries and two full parts: what every upload needs, however long it is.
WARM_UP = 128 * MIB
BOUNDARY = "------------------------d74496d66958873e"  # of the length that curl uses
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="bytes"\r\n\r\n'
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


def generate(path: Path, size: int) -> str:
    """Write `size` bytes that do not compress, and return their SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while size:
            block = os.urandom(min(BLOCK, size))
            file.write(block)
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


class Memory:
    """Resident memory of a process, sampled every 20 ms."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.now = self.peak = self._process.memory_info().rss

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self.now = self._process.memory_info().rss
            self.peak = max(self.peak, self.now)


def with_boto3(store: ObjectStore, path: Path) -> float:
    """Seconds that boto3 takes with its defaults, straight to the store."""
    started = time.perf_counter()
    store.client.upload_file(str(path), store.bucket, "benchmark")
    seconds = time.perf_counter() - started
    store.client.delete_object(Bucket=store.bucket, Key="benchmark")
    return seconds


def through_api(port: int, key: str, path: Path, sha256: str, memory: Memory) -> tuple[float, int]:
    """Seconds that the API takes, and its memory once `WARM_UP` bytes had passed."""
    size = path.stat().st_size
    sent, warm = 0, 0
    with (
        path.open("rb") as file,
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=600)) as connection,
    ):
        started = time.perf_counter()
        connection.putrequest("POST", "/v1/datasets")
        connection.putheader("Authorization", f"Bearer {key}")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        connection.putheader("Content-Length", str(len(HEAD) + size + len(TAIL)))
        connection.putheader("Prefer", "respond-async")
        connection.endheaders(HEAD)
        while block := file.read(BLOCK):
            connection.send(block)
            sent += len(block)
            if not warm and sent >= WARM_UP:
                warm = memory.peak
        connection.send(TAIL)
        response = connection.getresponse()
        answer = json.loads(response.read())
        seconds = time.perf_counter() - started
    if response.status != 202 or answer["sha256"] != sha256:
        raise RuntimeError(f"{response.status}: {answer}")
    return seconds, warm


@contextmanager
def running_api(environment: dict[str, str], log: Path) -> Iterator[tuple[int, int]]:
    """The API as `unlearnable up` starts it; yields its port and process id."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service.main", f"--port={port}"),
            ],
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def compare(
    store: ObjectStore, port: int, key: str, path: Path, sha256: str, memory: Memory
) -> dict[str, Any]:
    """Upload a file through the API, and with boto3 before and after that."""
    size = path.stat().st_size
    first = with_boto3(store, path)
    seconds, warm = through_api(port, key, path, sha256, memory)
    second = with_boto3(store, path)
    return {
        "size_bytes": size,
        "ratio_to_boto3": round((first + second) / 2 / seconds, 3),
        "peak_rss_mb": round(memory.peak / MIB, 1),
        "growth_mb": round((memory.peak - warm) / MIB, 1),
        "api_mb_per_second": round(size / MIB / seconds, 1),
        "boto3_mb_per_second": [round(size / MIB / taken, 1) for taken in (first, second)],
    }


def measure(size: int, folder: Path) -> dict[str, Any]:
    """Start everything and compare one upload of `size` bytes."""
    path = folder / "bytes"
    sha256 = generate(path, size)
    limit = {"UNLEARNABLE_MAX_UPLOAD_BYTES": str(size)}
    with running_servers(folder / "data") as environment:
        os.environ.update(environment | limit)
        store = ObjectStore.from_settings(get_settings())
        with transaction() as session:
            key = api_keys.create(session, "benchmark", "benchmark")
        with (
            running_api(environment | limit, folder / "api.log") as (port, pid),
            Memory(pid) as memory,
        ):
            return compare(store, port, key, path, sha256, memory)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a large upload.")
    parser.add_argument("--size-gb", type=float, default=2.0, help="in GiB")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(int(arguments.size_gb * 1024 * MIB), Path(folder))
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
