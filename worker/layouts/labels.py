"""Labels that come as numbers: which ones make a dataset."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset

AnyLabels = NDArray[np.integer[Any]]


def check_train_labels(labels: AnyLabels, limits: Limits, name: str) -> int:
    """The number of classes, if labels run from 0 without gaps and each has enough images.

    Args:
        labels: whole numbers (N,), N at least 1.
        limits: fewest images of a class, most classes.
        name: the member or column that holds them.

    Raises:
        BadDataset: `labels_out_of_range`, `one_class_only`, `too_many_classes`, `class_too_small`.
    """
    values, counts = np.unique(labels, return_counts=True)
    lowest, highest = int(values[0]), int(values[-1])
    if lowest < 0:
        raise BadDataset(
            "labels_out_of_range",
            f"The label {lowest} is negative. Number the classes from 0.",
            name,
        )
    if len(values) < 2:
        raise BadDataset(
            "one_class_only", "All labels are equal. A classifier needs two classes.", name
        )
    if len(values) > limits.max_classes:
        raise BadDataset(
            "too_many_classes",
            f"There are {len(values):,} classes; at most {limits.max_classes:,} are read. Merge "
            "classes or split the dataset.",
            name,
        )
    if highest != len(values) - 1:
        absent = int(np.flatnonzero(values != np.arange(len(values)))[0])
        raise BadDataset(
            "labels_out_of_range",
            f"No image has the label {absent}, but labels go up to {highest}. Number the classes "
            "from 0 without gaps.",
            name,
        )
    rarest = int(counts.argmin())
    if counts[rarest] < limits.min_images_per_class:
        raise BadDataset(
            "class_too_small",
            f"The class {rarest} has {counts[rarest]} training image(s) and needs "
            f"{limits.min_images_per_class}. Add images or remove the class.",
            name,
        )
    return len(values)


def check_test_labels(labels: AnyLabels, class_count: int, name: str) -> None:
    """Refuse a test label that no training image has.

    Raises:
        BadDataset: `labels_out_of_range`.
    """
    if len(labels) and not (labels.min() >= 0 and labels.max() < class_count):
        raise BadDataset(
            "labels_out_of_range",
            f"There is a label that no training image has; theirs are 0 to {class_count - 1}. "
            "Remove those test images, or add training images.",
            name,
        )
