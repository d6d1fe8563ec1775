"""Fetching the files that a step works on, and storing those it makes."""

import mimetypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

from core.database import transaction
from core.tables import Dataset, Job
from worker.context import REPORT_SECONDS, StepContext
from worker.layouts import CANONICAL_FILES, Canonical, load_canonical

Result = TypeVar("Result")
OnBytes = Callable[[int], None]
Part = tuple[float, float]

FETCHING: Part = (0.0, 0.05)  # which part of a step's progress its transfers usually are
STORING: Part = (0.97, 1.0)


class TransferStopped(Exception):
    """The step ends before its transfer did."""


def dataset_of(context: StepContext) -> Dataset:
    with transaction() as session:
        return session.get_one(Dataset, context.claim.dataset_id)


def job_of(context: StepContext) -> Job:
    assert context.claim.job_id is not None
    with transaction() as session:
        return session.get_one(Job, context.claim.job_id)


def fetch_upload(context: StepContext, part: Part = FETCHING) -> Path:
    """The archive as the owner uploaded it."""
    path = context.scratch / "upload"
    fetch(context, {dataset_of(context).upload_key: path}, part)
    return path


def fetch_canonical(context: StepContext, part: Part = FETCHING) -> Canonical:
    """The dataset as ingestion wrote it, memory-mapped from the scratch folder."""
    return fetch_canonical_of(context, dataset_of(context), "canonical", part)


def fetch_canonical_of(
    context: StepContext, dataset: Dataset, folder_name: str, part: Part = FETCHING
) -> Canonical:
    """The same for any dataset, in a folder of its own."""
    prefix = dataset.canonical_prefix
    assert prefix is not None, "a job only starts on a dataset that is ready"
    folder = context.scratch / folder_name
    folder.mkdir(exist_ok=True)
    fetch(context, {prefix + name: folder / name for name in CANONICAL_FILES}, part)
    return load_canonical(folder)


def keep(context: StepContext, path: Path, kind: str, part: Part = STORING) -> dict[str, Any]:
    """Store a file for the owner and return its row in `artifacts`."""
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    key = context.attempt_prefix + path.name
    sha256 = store(context, path, key, part, content_type)
    return {
        "kind": kind,
        "name": path.name,
        "content_type": content_type,
        "object_key": key,
        "size_bytes": path.stat().st_size,
        "sha256": sha256,
    }


def fetch(context: StepContext, files: dict[str, Path], part: Part) -> None:
    """Fetch objects, each to its path, telling how far that is.

    Args:
        files: path by key.
        part: of the step's progress, from where to where.
    """
    total = sum(context.store.size(key) for key in files)

    def transfer(count: OnBytes) -> None:
        for key, path in files.items():
            context.store.get_file(key, path, count)

    _tell(context, transfer, total, part)


def store(
    context: StepContext,
    path: Path,
    key: str,
    part: Part,
    content_type: str = "application/octet-stream",
) -> str:
    """Store a file, telling how far that is, and return its SHA-256 in hexadecimal."""
    return _tell(
        context,
        lambda count: context.store.put_file(path, key, content_type, count),
        path.stat().st_size,
        part,
    )


def _tell(
    context: StepContext, transfer: Callable[[OnBytes], Result], total: int, part: Part
) -> Result:
    """Run a transfer in a thread and tell from this one, where the step may be stopped."""
    moved, stopped, lock = 0, False, threading.Lock()

    def count(size: int) -> None:  # called from the threads of the transfer
        nonlocal moved
        if stopped:
            raise TransferStopped
        with lock:
            moved += size

    start, end = part
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(transfer, count)
        try:
            while not wait([future], timeout=REPORT_SECONDS).done:
                context.progress(start + (end - start) * moved / max(total, 1))
        except BaseException:
            stopped = True
            raise
        return future.result()
