"""Cut the committed MNIST sample from a full MNIST archive.

    python cli/data/make_mnist_sample.py mnist.npz cli/data/mnist-sample.npz

The source holds x_train, y_train, x_test, y_test (uint8). The sample keeps 1,200 training and
200 test images of each digit, drawn without replacement with a fixed seed and left in their
original order, so that running this again gives the same bytes.
"""

import sys

import numpy as np

PER_CLASS = {"train": 1200, "test": 200}


def main(source: str, target: str) -> None:
    rng = np.random.default_rng(2019)
    full = np.load(source, allow_pickle=False)
    arrays = {}
    for split, count in PER_CLASS.items():
        labels = full[f"y_{split}"]
        chosen = [
            rng.choice(np.flatnonzero(labels == digit), count, replace=False) for digit in range(10)
        ]
        index = np.sort(np.concatenate(chosen))
        arrays[f"x_{split}"] = full[f"x_{split}"][index]
        arrays[f"y_{split}"] = labels[index].astype(np.uint8)
    np.savez_compressed(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:3])
