"""Which images each worker perturbs when a dataset is large.

The images that are perturbed are the training images, followed by the test images if these were cut
from the upload. A range counts through both.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from worker.layouts import DatasetSummary
from worker.layouts.canonical import Split


def ranges(summary: Mapping[str, Any], shard_bytes: int) -> list[tuple[int, int]]:
    """Ranges of about equal length, (first, behind the last), none of more than `shard_bytes`.

    Args:
        summary: of the dataset, as `DatasetSummary.to_json` writes it.
        shard_bytes: pixels, one byte a channel.
    """
    count = sum(published_counts(DatasetSummary.from_json(summary)).values())
    image_bytes = int(np.prod(summary["image_shape"]))
    parts = min(max(1, -(-count * image_bytes // shard_bytes)), count)
    edges = [count * part // parts for part in range(parts + 1)]
    return list(itertools.pairwise(edges))


def published_counts(summary: DatasetSummary) -> dict[Split, int]:
    """How many images of each split are perturbed."""
    splits: tuple[Split, ...] = ("train", "test") if summary.test_split == "cut" else ("train",)
    return {split: sum(summary.counts[split].values()) for split in splits}
