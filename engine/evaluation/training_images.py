"""The forms of the training images that learners are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.controls import class_patterns, random_noise
from engine.evaluation.data import Dataset, LabelledImages
from engine.evaluation.rows import TrainedOn


def training_images(
    trained_on: TrainedOn,
    clean: Dataset,
    protected: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    epsilon: float,
    seed: int,
) -> LabelledImages:
    """What a learner is given to train on.

    Args:
        trained_on: which form.
        clean: the dataset.
        protected: uint8, like the clean training images; used for "protected" only.
        mask: bool (N,), which training images are protected; the others are clean in every form.
        epsilon: of the controls, of the range [0, 1].
        seed: of the controls.
    """
    train = clean.train
    if trained_on == "clean":
        return train
    if trained_on == "remainder":
        return train.where(~mask)
    if trained_on == "protected":
        return train.with_images(protected)
    if trained_on == "random-noise":
        moved = random_noise(train.images, epsilon, seed)
    else:
        moved = class_patterns(train.images, train.labels, clean.num_classes, epsilon, seed)
    if not mask.all():
        moved[~mask] = train.images[~mask]
    return train.with_images(moved)
