"""Fetching the files that a step works on, and storing those it makes."""

import mimetypes
from pathlib import Path
from typing import Any

from core.database import transaction
from core.tables import Dataset, Job
from worker.context import StepContext
from worker.layouts import CANONICAL_FILES, Canonical, load_canonical


def dataset_of(context: StepContext) -> Dataset:
    with transaction() as session:
        return session.get_one(Dataset, context.claim.dataset_id)


def job_of(context: StepContext) -> Job:
    assert context.claim.job_id is not None
    with transaction() as session:
        return session.get_one(Job, context.claim.job_id)


def fetch_upload(context: StepContext) -> Path:
    """The archive as the owner uploaded it."""
    path = context.scratch / "upload"
    context.store.get_file(dataset_of(context).upload_key, path)
    return path


def fetch_canonical(context: StepContext) -> Canonical:
    """The dataset as ingestion wrote it, memory-mapped from the scratch folder."""
    return fetch_canonical_of(context, dataset_of(context), "canonical")


def fetch_canonical_of(context: StepContext, dataset: Dataset, folder_name: str) -> Canonical:
    """The same for any dataset, in a folder of its own."""
    prefix = dataset.canonical_prefix
    assert prefix is not None, "a job only starts on a dataset that is ready"
    folder = context.scratch / folder_name
    folder.mkdir(exist_ok=True)
    for name in CANONICAL_FILES:
        context.store.get_file(prefix + name, folder / name)
    return load_canonical(folder)


def keep(context: StepContext, path: Path, kind: str) -> dict[str, Any]:
    """Store a file for the owner and return its row in `artifacts`."""
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    key = context.attempt_prefix + path.name
    sha256 = context.store.put_file(path, key, content_type)
    return {
        "kind": kind,
        "name": path.name,
        "content_type": content_type,
        "object_key": key,
        "size_bytes": path.stat().st_size,
        "sha256": sha256,
    }
