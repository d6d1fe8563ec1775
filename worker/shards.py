"""Ranges of a large dataset, perturbed by several workers: reading one, and putting all together.

Of a range only its own bytes are fetched from the store.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.object_store import ObjectStore
from worker.context import StepContext
from worker.files import dataset_of, fetch
from worker.layouts import DatasetSummary
from worker.shard_ranges import published_counts

HEADER_BYTES = 1024  # more than the header of a .npy file of images takes

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def fetch_range(context: StepContext, start: int, stop: int) -> tuple[Images, Labels]:
    """Images `start` to before `stop`, uint8 (N, H, W, C), and their labels, int64 (N,)."""
    dataset = dataset_of(context)
    assert dataset.summary is not None
    assert dataset.canonical_prefix is not None
    images, labels, before = [], [], 0
    for split, count in published_counts(DatasetSummary.from_json(dataset.summary)).items():
        first, last = max(start - before, 0), min(stop - before, count)
        if first < last:
            prefix = f"{dataset.canonical_prefix}{split}-"
            images.append(_rows(context.store, prefix + "images.npy", first, last))
            labels.append(_rows(context.store, prefix + "labels.npy", first, last))
        before += count
    return np.concatenate(images), np.concatenate(labels)


def gather(context: StepContext, clean: Images) -> Images | None:
    """What the shards of this job made of the images `clean`; None if it has no shards."""
    results = [entry["result"] for entry in context.results_of("perturb")]
    if not results:
        return None
    protected = np.empty_like(clean)
    for done, shard in enumerate(results):
        path = context.scratch / "shard.npy"
        fetch(
            context,
            {shard["key"]: path},
            (0.5 * done / len(results), 0.5 * (done + 1) / len(results)),
        )
        protected[shard["start"] : shard["stop"]] = np.load(path, allow_pickle=False)
        path.unlink()
    return protected


def _rows(store: ObjectStore, key: str, first: int, last: int) -> NDArray[Any]:
    """Rows of a stored .npy file, without the others."""
    head = io.BytesIO(store.get_range(key, 0, HEADER_BYTES))
    np.lib.format.read_magic(head)
    shape, _, dtype = np.lib.format.read_array_header_1_0(head)
    row = int(np.prod(shape[1:])) * dtype.itemsize
    body = store.get_range(key, head.tell() + first * row, (last - first) * row)
    return np.frombuffer(body, dtype).reshape(last - first, *shape[1:])
