"""Where a running stack is, as it writes it down and as others read it."""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cli.stack.folder import read_json
from cli.stack.lock import FileLock


@dataclass(frozen=True)
class StackInfo:
    """Where a running stack is. Holds secrets: written only to files that its owner can read.

    Attributes:
        pid: the process that holds the stack.
        seconds: from nothing to ready.
        environment: settings for any process that wants to use the same servers.
        processes: process ids of the children, by name.
    """

    pid: int
    api_url: str
    api_key: str
    data: Path
    logs: Path
    postgres_data: Path
    database_url: str
    broker_url: str
    s3_endpoint_url: str
    seconds: float
    environment: dict[str, str]
    processes: dict[str, int]

    @property
    def docs_url(self) -> str:
        return f"{self.api_url}/docs"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What a running stack wrote down; None if there is nothing of use."""
        content = read_json(path)
        names = {field.name for field in dataclasses.fields(cls)}
        if content is None or not names <= set(content):
            return None
        paths = {name: Path(content[name]) for name in ("data", "logs", "postgres_data")}
        return cls(**({name: content[name] for name in names} | paths))


def find_running(data: Path) -> StackInfo | None:
    """The stack that runs on a data folder; one that is just starting or stopping is waited for."""
    root = data.expanduser().resolve()
    if not (root / "up.lock").exists():
        return None
    with FileLock(root / "up.lock") as lock:
        while not lock.acquire():
            info = StackInfo.read(root / "stack.json")
            if info is not None:
                return info
            time.sleep(0.1)
    return None
