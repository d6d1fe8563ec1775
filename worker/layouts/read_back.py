"""Reads what was written: the evaluation starts from the bytes that the owner downloads."""

import tempfile
from pathlib import Path

import numpy as np

from worker.layouts.canonical import Canonical, Split, load_canonical
from worker.layouts.image import Pixels
from worker.layouts.problem import BadDataset
from worker.layouts.progress import OnProgress
from worker.layouts.sandboxed import read_in_sandbox


class WrittenDatasetDiffers(RuntimeError):
    """The written dataset is not the uploaded one with other pixels: a fault of ours."""


def read_back(
    written: Path,
    canonical: Canonical,
    into: Path | None = None,
    on_progress: OnProgress = lambda _done, _all: None,
) -> dict[Split, Pixels]:
    """Decode a written dataset with the decoder of the uploads and compare all but its pixels.

    Args:
        written: the file that `write_protected` wrote.
        canonical: the dataset that it was written from.
        into: folder for the decoded form; the arrays are then mapped from it. Without one they
            are held in memory.
        on_progress: told how many images have been decoded.

    Returns:
        The images by split, uint8 (N, H, W, C), in the order of `canonical`; their labels have
        been compared and are those of `canonical`.

    Raises:
        WrittenDatasetDiffers: it cannot be read, or names, order, labels, classes, split or shape
            differ.
        ReaderCrashed: the process that reads failed.
    """
    if into is None:
        with tempfile.TemporaryDirectory(prefix="read-back-") as folder:
            mapped = read_back(written, canonical, Path(folder), on_progress)
            return {split: np.array(images) for split, images in mapped.items()}
    # In the sandbox, since test images that came with the upload are still the uploader's bytes.
    limits = canonical.limits.for_own_output()
    try:
        read_in_sandbox(written, into, limits, on_progress, lambda: False)
    except BadDataset as problem:
        raise WrittenDatasetDiffers(f"the written dataset cannot be read: {problem}") from problem
    again = load_canonical(into)
    for what, same in (
        ("names or their order", again.names == canonical.names),
        ("training labels", np.array_equal(again.train_labels, canonical.train_labels)),
        ("test labels", np.array_equal(again.test_labels, canonical.test_labels)),
        ("classes", again.summary.classes == canonical.summary.classes),
        ("test split", again.summary.test_split == canonical.summary.test_split),
        ("image shape", again.summary.image_shape == canonical.summary.image_shape),
        ("layout", again.summary.layout == canonical.summary.layout),
    ):
        if not same:
            raise WrittenDatasetDiffers(f"the written dataset has other {what} than the upload")
    return {"train": again.train_images, "test": again.test_images}
