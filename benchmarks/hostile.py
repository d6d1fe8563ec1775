"""What becomes of uploads that must be refused, sent through the API to a real stack.

    python -m benchmarks.hostile [--json] [--only WORD] [--limit N]

Starts the whole stack, builds every file of `tests/worker/layouts/bad_files.py` and uploads them
one by one. Figures:

    files            uploads that were sent
    rejected         answered by 4xx problem+json with the code and the member that were expected
    accepted         taken in as a dataset
    misnamed         refused, but by another code or member
    server_errors    answered by 5xx, or not at all
    leftovers        objects, unfinished multipart uploads, datasets and working files that remained
    seconds          for all of them, building excluded
    peak_rss_mb      largest resident memory of the API and the worker with its sandbox, in MiB

Exits with 1 unless every file was rejected and nothing remained.
"""

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil

from cli.stack.info import StackInfo
from cli.stack.stack import running_stack
from core.object_store import ObjectStore
from core.settings import MIB, Settings
from tests.worker.layouts.bad_files import BAD_FILES, BadFile

HEARTBEATS = "heartbeats"  # the folder in which running workers say that they are alive
WATCHED = ("api", "worker-ingest")
VERDICT_SECONDS = 60  # how long an answer waits for its verdict, on a machine that is busy too


@dataclass
class Outcome:
    """How the uploads ended; each list holds names of files."""

    rejected: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    server_errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def send(self, api: httpx2.Client, name: str, bad: BadFile) -> None:
        """Upload one file and note what came of it."""
        content = bad.build()
        started = time.perf_counter()
        try:
            response = api.post("/v1/datasets", files={"file": (name, content)})
            problem = response.json()
        except (httpx2.HTTPError, ValueError):
            self.server_errors.append(name)
            return
        finally:
            self.seconds += time.perf_counter() - started
        # An empty file is refused before anybody looks into it.
        expected = (bad.code, bad.member) if content else ("upload_empty", "file")
        self._of(response.status_code, problem, expected).append(name)

    def _of(
        self, status: int, problem: dict[str, Any], expected: tuple[str, str | None]
    ) -> list[str]:
        if status >= 500:
            return self.server_errors
        if status < 400:
            return self.accepted
        # Named in the answer, and again in the list of all bad files.
        report = problem.get("validation_report", {"files": [{"file": problem["param"]}]})
        named = report["files"][0]["file"]
        if (problem["code"], problem["param"]) == expected and named == expected[1]:
            return self.rejected
        return self.misnamed


class PeakMemory:
    """Largest resident memory of some processes and all below them, sampled every 20 ms."""

    def __init__(self, pids: list[int]) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.bytes = 0

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self.bytes = max(self.bytes, sum(map(_resident, self._all())))

    def _all(self) -> Iterator[psutil.Process]:
        for root in self._roots:
            yield root
            yield from root.children(recursive=True)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """More environment variables, for the length of a `with` block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def store_of(stack: StackInfo) -> Iterator[ObjectStore]:
    """The stack's object store, seen from behind."""
    with environment(stack.environment):
        yield ObjectStore.from_settings(Settings())


def leftovers(stack: StackInfo, api: httpx2.Client) -> list[str]:
    """What remained of the uploads: it should be nothing."""
    found = [dataset["id"] for dataset in api.get("/v1/datasets").json()["data"]]
    with store_of(stack) as store:
        found += store.keys("")
        unfinished = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        found += [upload["Key"] for upload in unfinished]
    scratch = Path(stack.environment["UNLEARNABLE_SCRATCH_DIR"])
    working = [path for path in scratch.rglob("*") if path.is_file()]
    return found + [str(path) for path in working if path.parent.name != HEARTBEATS]


def measure(names: list[str]) -> dict[str, Any]:
    """Send these files to a stack of their own."""
    outcome = Outcome()
    with (
        environment({"UNLEARNABLE_UPLOAD_WAIT_SECONDS": str(VERDICT_SECONDS)}),
        running_stack() as stack,
        httpx2.Client(
            base_url=stack.api_url,
            headers={"Authorization": f"Bearer {stack.api_key}"},
            timeout=2 * VERDICT_SECONDS,
            trust_env=False,
        ) as api,
    ):
        with PeakMemory([stack.processes[name] for name in WATCHED]) as memory:
            for name in names:
                outcome.send(api, name, BAD_FILES[name])
        remained = leftovers(stack, api)
    for title, which in (("accepted", outcome.accepted), ("misnamed", outcome.misnamed)):
        for name in which:
            print(f"{title}: {name}", file=sys.stderr)
    for name in outcome.server_errors + remained:
        print(f"error or leftover: {name}", file=sys.stderr)
    return {
        "files": len(names),
        "rejected": len(outcome.rejected),
        "accepted": len(outcome.accepted),
        "misnamed": len(outcome.misnamed),
        "server_errors": len(outcome.server_errors),
        "leftovers": len(remained),
        "seconds": round(outcome.seconds, 1),
        "peak_rss_mb": round(memory.bytes / MIB, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Send uploads that must be refused.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--only", default="", help="only files with this word in their name")
    parser.add_argument("--limit", type=int, help="only so many files, evenly spread")
    arguments = parser.parse_args()
    names = [name for name in BAD_FILES if arguments.only in name]
    if arguments.limit is not None:
        names = names[:: max(1, len(names) // arguments.limit)][: arguments.limit]
    figures = measure(names)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for title, value in figures.items():
            print(f"{title:15} {value}")
    sys.exit(figures["rejected"] != figures["files"] or figures["leftovers"] > 0)


if __name__ == "__main__":
    main()
