"""Sets a test part aside when the upload brings none."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TEST_SHARE: Final = 6
"""One image in so many of each class goes to the test part."""

_SEED: Final = 6


def cut_test(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which images are set aside to measure clean-test accuracy.

    Of each class a sixth (rounded down, at least one image) is drawn with a fixed seed: the same
    labels in the same order give the same cut, whoever reads them and whenever.

    Args:
        labels: int64 (N,), any classes of at least two images each.

    Returns:
        bool (N,), true for the test part; every class keeps at least one training image.
    """
    # RandomState, not default_rng: its stream is frozen (NEP 19), and a cut must outlive releases.
    order = np.random.RandomState(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    in_test = np.zeros(len(labels), dtype=np.bool_)
    for start, count in zip(starts, counts, strict=True):
        in_test[order[start : start + max(1, count // TEST_SHARE)]] = True
    return in_test
