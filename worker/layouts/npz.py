"""An npz with x_train, y_train and, where there is a split, x_test, y_test."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worker.layouts.canonical import SPLITS, CanonicalWriter, Split
from worker.layouts.findings import Findings
from worker.layouts.image import Pixels
from worker.layouts.labels import check_test_labels, check_train_labels
from worker.layouts.limits import Limits
from worker.layouts.npy import SUFFIX, ArrayInfo, array_bytes, inspect_array
from worker.layouts.numbered import NumberedPlan, Source, plan_numbered, read_numbered, records
from worker.layouts.problem import BadDataset, Code
from worker.layouts.progress import Progress
from worker.layouts.zip_directory import Member
from worker.layouts.zip_reader import ZipReader

IMAGES: Final[dict[Split, str]] = {"train": "x_train", "test": "x_test"}
"""The array that holds the images of a split."""

LABELS: Final[dict[Split, str]] = {"train": "y_train", "test": "y_test"}
"""The array that holds the labels of a split."""

_KNOWN: Final = (*IMAGES.values(), *LABELS.values())


@dataclass(frozen=True, slots=True)
class NpzPlan:
    """The plan, and the arrays of images by name."""

    numbered: NumberedPlan
    images: dict[str, ArrayInfo]


def is_npz(members: Sequence[Member]) -> bool:
    """Whether this zip is an npz: it has one of our arrays, or nothing but arrays."""
    names = [member.name for member in members]
    ours = any(name == known + SUFFIX for name in names for known in _KNOWN)
    return ours or (bool(names) and all(name.endswith(SUFFIX) for name in names))


def plan_npz(archive: ZipReader, limits: Limits, findings: Findings) -> NpzPlan:
    """Check the headers of all arrays and the labels, before any pixel is read.

    Every array that cannot be used is named before the first label is read.

    Raises:
        BadDataset: `npz_array_unknown`, `npz_array_missing`, `images_not_uint8`, `images_shape`,
            `image_too_small`, `image_too_large`, `labels_not_integer`, `labels_shape`,
            `label_count_mismatch`, `shape_mismatch`, `labels_out_of_range`, `no_images`,
            `one_class_only`, `class_too_small`, `too_many_classes`, `too_many_images`, and what
            `inspect_array` and `ZipReader.pieces` raise.
    """
    arrays = _arrays(archive, findings)
    given: list[Split] = [split for split in SPLITS if IMAGES[split] in arrays]
    images = {split: arrays[IMAGES[split]] for split in given}
    for split in given:
        with findings.collect():
            _check_images(images[split], limits)
        with findings.collect():
            _check_label_header(arrays[LABELS[split]], images[split])
    findings.raise_any()
    if "test" in images and images["train"].shape[1:] != images["test"].shape[1:]:
        raise BadDataset(
            "shape_mismatch",
            f"The shape of x_train is {images['train'].shape}, that of x_test "
            f"{images['test'].shape}: all but the first number must agree. Resize the images.",
            IMAGES["test"],
        )
    if sum(info.shape[0] for info in images.values()) > limits.max_images:
        raise BadDataset(
            "too_many_images",
            f"At most {limits.max_images:,} images are read. Split the dataset into several "
            "uploads.",
            IMAGES["train"],
        )
    raw = {
        split: np.frombuffer(
            b"".join(array_bytes(archive, arrays[LABELS[split]])), arrays[LABELS[split]].dtype
        )
        for split in given
    }
    class_count = check_train_labels(raw["train"], limits, LABELS["train"])
    if "test" in raw:
        check_test_labels(raw["test"], class_count, LABELS["test"])
    labels = {split: values.astype(np.int64) for split, values in raw.items()}
    classes = [str(label) for label in range(class_count)]
    sources = [Source(info.name, split, info.shape[0]) for split, info in images.items()]
    return NpzPlan(
        plan_numbered("npz", sources, labels, classes),
        {info.name: info for info in images.values()},
    )


def read_npz(
    archive: ZipReader,
    plan: NpzPlan,
    writer: CanonicalWriter,
    progress: Progress,
    on_member: Callable[[str], None],
) -> None:
    """Stream the pixels of `plan` into `writer` and finish it.

    Raises:
        BadDataset: `dataset_too_large`, and what `ZipReader.pieces` raises.
    """

    def rows_of(source: Source) -> Iterator[Pixels]:
        info = plan.images[source.name]
        _, height, width, *channels = info.shape
        shape = (height, width, *(channels or [1]))
        for rows in records(array_bytes(archive, info), height * width * shape[2]):
            yield rows.reshape(-1, *shape)

    read_numbered(plan.numbered, rows_of, writer, progress, on_member, [])


def _arrays(archive: ZipReader, findings: Findings) -> Mapping[str, ArrayInfo]:
    """The arrays by name: nothing unknown, nothing missing, every header as it must be."""
    arrays: dict[str, ArrayInfo] = {}
    names = [member.name.removesuffix(SUFFIX) for member in archive.members]
    for member, name in zip(archive.members, names, strict=True):
        with findings.collect():
            if name not in _KNOWN or not member.name.endswith(SUFFIX):
                raise BadDataset(
                    "npz_array_unknown",
                    "An npz may hold x_train, y_train, x_test and y_test only: another array might "
                    "carry clean copies into the protected dataset. Remove it.",
                    name,
                )
            arrays[name] = inspect_array(archive, member)
    needed = _KNOWN if {IMAGES["test"], LABELS["test"]} & set(names) else ("x_train", "y_train")
    for name in needed:
        if name not in names:
            findings.add(
                BadDataset(
                    "npz_array_missing",
                    "The array is missing. Images come with labels: x_train with y_train, x_test "
                    "with y_test.",
                    name,
                )
            )
    findings.raise_any()
    return arrays


def _check_images(info: ArrayInfo, limits: Limits) -> None:
    if info.dtype != np.uint8:
        raise BadDataset(
            "images_not_uint8",
            f"The array is {info.dtype}; images must be uint8, 0 to 255. Values in [0, 1] become "
            "so by numpy.rint(x * 255).astype('uint8').",
            info.name,
        )
    if len(info.shape) not in (3, 4) or (len(info.shape) == 4 and info.shape[3] not in (1, 3)):
        raise BadDataset(
            "images_shape",
            f"The array has shape {info.shape}; expected is (N, H, W), (N, H, W, 1) or "
            "(N, H, W, 3), channels last.",
            info.name,
        )
    count, height, width = info.shape[:3]
    if not count:
        raise BadDataset(
            "no_images",
            "The array is empty. Add images, or leave out x_test and y_test.",
            info.name,
        )
    code: Code | None = None
    if min(height, width) < limits.min_side:
        code = "image_too_small"
    if max(height, width) > limits.max_side or height * width > limits.max_pixels:
        code = "image_too_large"
    if code is not None:
        raise BadDataset(
            code,
            f"Images are {width:,} x {height:,} pixels; a side needs {limits.min_side} to "
            f"{limits.max_side:,}, an image at most {limits.max_pixels:,}. Resize them.",
            info.name,
        )


def _check_label_header(info: ArrayInfo, images: ArrayInfo) -> None:
    if info.dtype.kind not in "iu":
        raise BadDataset(
            "labels_not_integer",
            f"The array is {info.dtype}; labels must be whole numbers. Save it as int64.",
            info.name,
        )
    if len(info.shape) != 1:
        raise BadDataset(
            "labels_shape",
            f"The array has shape {info.shape}; expected is one label an image, (N,). One-hot "
            "labels become so by y.argmax(axis=1), (N, 1) by y.ravel().",
            info.name,
        )
    if info.shape != images.shape[:1]:
        raise BadDataset(
            "label_count_mismatch",
            f"There are {info.shape[0]:,} labels for the images of {images.name}, whose shape is "
            f"{images.shape}. Give every image one label.",
            info.name,
        )
