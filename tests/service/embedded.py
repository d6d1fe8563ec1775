"""The servers that the API needs, on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from core.object_store import ObjectStore

START_SECONDS = 30


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [sock.getsockname()[1] for sock in sockets]


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """SeaweedFS on loopback; yields its S3 endpoint."""
    names = ("admin", "filer", "master", "s3", "volume")
    ports = [f"{name}.port{grpc}" for name in names for grpc in ("", ".grpc")]
    chosen = dict(zip(ports, free_ports(len(ports)), strict=True))
    with (folder / "weed.log").open("w") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).parent / "weed",
                "mini",
                f"-dir={folder}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-idleTimeout=2",
                "-webdav=false",
                "-admin.ui=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
                *(f"-{name}={port}" for name, port in chosen.items()),
            ],
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "AWS_ACCESS_KEY_ID": os.environ["UNLEARNABLE_S3_ACCESS_KEY_ID"],
                "AWS_SECRET_ACCESS_KEY": os.environ["UNLEARNABLE_S3_SECRET_ACCESS_KEY"],
            },
        )
    try:
        yield f"http://127.0.0.1:{chosen['s3.port']}"
    finally:
        process.kill()  # nothing in it is worth a goodbye
        process.wait()


def wait_for_bucket(store: ObjectStore) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            store.ensure_bucket()
            return
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
