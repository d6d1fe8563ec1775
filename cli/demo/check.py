"""Looking at the downloaded bytes: whatever the service says, these are what gets published."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np

LEVELS = 255


class BytesDiffer(Exception):
    """The protected dataset is not what was promised. The message says in what."""


@dataclass(frozen=True)
class Checked:
    """What was found in the bytes.

    Attributes:
        images: protected images.
        linf: the largest change of any pixel, in 1/255.
        bound: the largest change allowed: floor(255 * epsilon).
    """

    images: int
    linf: int
    bound: int


def check_protected(original: Path, protected: Path, epsilon: str) -> Checked:
    """Compare two npz datasets with `x_train`, `y_train`, `x_test`, `y_test` (uint8 images).

    Raises:
        BytesDiffer: other arrays, shapes, types or labels; a changed test image; a training image
            that was not changed at all; or a pixel moved by more than floor(255 * epsilon).
    """
    bound = floor(LEVELS * Fraction(epsilon))
    with np.load(original, allow_pickle=False) as before, np.load(protected) as after:
        if sorted(before.files) != sorted(after.files):
            raise BytesDiffer(f"the file holds {after.files} instead of {before.files}")
        for name in before.files:
            if (before[name].shape, before[name].dtype) != (after[name].shape, after[name].dtype):
                raise BytesDiffer(f"{name} has another shape or type")
            if name != "x_train" and not np.array_equal(before[name], after[name]):
                raise BytesDiffer(f"{name} was changed")
        change = np.abs(after["x_train"].astype(np.int16) - before["x_train"].astype(np.int16))
    largest = change.reshape(len(change), -1).max(axis=1)
    if largest.max() > bound:
        raise BytesDiffer(f"a pixel moved by {largest.max()}/255, and {bound}/255 is the bound")
    if largest.min() == 0:
        raise BytesDiffer(f"{np.count_nonzero(largest == 0)} images were not protected at all")
    return Checked(images=len(change), linf=int(largest.max()), bound=bound)
