"""The form in which every dataset is worked on, whatever it was uploaded as.

A folder with `train-images.npy`, `train-labels.npy`, `test-images.npy`, `test-labels.npy` (images
uint8 NHWC, labels int64) and `index.json`: what the dataset is, and the name of every image in
order, which is what it takes to write the upload's layout again. `index.json` is written last: a
folder without it is no dataset.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from worker.layouts.image import Pixels
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset

Layout = Literal["image_folder", "npz", "mnist_idx", "cifar10_binary", "parquet"]
Split = Literal["train", "test"]
TestSplit = Literal["given", "cut"]
Labels = NDArray[np.int64]
Names = dict[Split, list[str]]
Details = dict[str, Any]
"""What a layout needs to write an upload again without looking into it, as plain JSON values."""

SPLITS: Final[tuple[Split, ...]] = ("train", "test")
CANONICAL_FILES: Final = (
    "train-images.npy",
    "train-labels.npy",
    "test-images.npy",
    "test-labels.npy",
    "index.json",
)
"""All files of the canonical form; the last one makes it complete."""

_INDEX: Final = CANONICAL_FILES[-1]
_FORMAT: Final = 1
_COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """What an uploaded dataset turned out to be.

    Attributes:
        layout: how it was uploaded, and will be written.
        classes: names in label order. Folder names sorted by code point, or "0", "1", ... of npz.
        counts: images by split and class name; every class is named in both splits.
        image_shape: (H, W, C), the same for all images; C is 1 or 3.
        test_split: "given" with the upload, or "cut" from the images by `split.cut_test`.
        notes: sentences for the owner on what was changed, ignored or assumed.
    """

    layout: Layout
    classes: list[str]
    counts: dict[Split, dict[str, int]]
    image_shape: tuple[int, int, int]
    test_split: TestSplit
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """A dict of plain JSON values; `from_json` gives an equal summary back."""
        return asdict(self) | {"image_shape": list(self.image_shape)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "DatasetSummary":
        height, width, channels = data["image_shape"]
        return cls(
            layout=data["layout"],
            classes=list(data["classes"]),
            counts={split: dict(data["counts"][split]) for split in SPLITS},
            image_shape=(height, width, channels),
            test_split=data["test_split"],
            notes=list(data["notes"]),
        )


@dataclass(frozen=True, slots=True)
class Canonical:
    """A dataset in canonical form; the arrays are memory-mapped and read-only.

    Attributes:
        summary: what it is.
        limits: those under which the upload was read.
        names: member name, or "x_train[3]", of each image, in the order of the arrays.
        details: what the layout keeps to write the upload again; empty for most.
        train_images, test_images: uint8 (N, H, W, C).
        train_labels, test_labels: int64 (N,), 0 to the number of classes - 1.
    """

    summary: DatasetSummary
    limits: Limits
    names: Names
    details: Details
    train_images: Pixels
    train_labels: Labels
    test_images: Pixels
    test_labels: Labels


def load_canonical(folder: Path) -> Canonical:
    """The dataset that `read_archive` wrote into `folder`.

    Raises:
        FileNotFoundError: there is none, or writing it was not finished.
        ValueError: the parts of the folder do not belong together.
    """
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    if index["format"] != _FORMAT:
        raise ValueError(f"canonical form {index['format']}, this code reads {_FORMAT}")
    dataset = Canonical(
        DatasetSummary.from_json(index["summary"]),
        Limits(**index["limits"]),
        {split: list(index["names"][split]) for split in SPLITS},
        index.get("details", {}),
        *(
            np.load(folder / _file_name(split, what), mmap_mode="r", allow_pickle=False)
            for split in SPLITS
            for what in ("images", "labels")
        ),
    )
    arrays: dict[Split, tuple[Pixels, Labels]] = {
        "train": (dataset.train_images, dataset.train_labels),
        "test": (dataset.test_images, dataset.test_labels),
    }
    for split, (images, labels) in arrays.items():
        count = sum(dataset.summary.counts[split].values())
        if images.shape != (count, *dataset.summary.image_shape) or labels.shape != (count,):
            raise ValueError(f"{split}: {images.shape} images, {labels.shape} labels, {count} told")
        if len(dataset.names[split]) != count or images.dtype != np.uint8:
            raise ValueError(f"{split}: index and arrays differ")
    return dataset


def discard_canonical(folder: Path) -> None:
    """Remove what a reading that failed or was killed left in `folder`; the folder stays."""
    # By name, not by listing the folder: this also runs when memory has run out.
    for name in CANONICAL_FILES:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.part").unlink(missing_ok=True)


class CanonicalWriter:
    """Writes the canonical form image by image: memory holds one image, not the dataset.

    Rows are appended in order and the files mapped only when they are loaded, since a mapping
    would count against the address space of the sandbox. Gray images turn into RGB as soon as the
    first RGB image comes.

    Use as a context manager; leaving it by an exception removes everything it wrote.
    """

    def __init__(self, folder: Path, counts: Mapping[Split, int], limits: Limits) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._counts = counts
        self._limits = limits
        self._files: dict[Split, _Rows] = {}
        self._channels = 0
        self.gray_made_rgb = 0

    def __enter__(self) -> "CanonicalWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for rows in self._files.values():
            rows.close()
        if error is not None:
            discard_canonical(self._folder)

    def add(self, split: Split, images: Pixels, member: str) -> None:
        """Append uint8 (n, H, W, C) to a split; H and W are those of all images before.

        Raises:
            BadDataset: `dataset_too_large`, at the first image, since then the size is known.
        """
        count, height, width, channels = images.shape
        if channels > self._channels:
            total = sum(self._counts.values()) * height * width * channels
            if total > self._limits.max_decoded_bytes:
                raise BadDataset(
                    "dataset_too_large",
                    f"All images together have {total:,} bytes of pixels; at most "
                    f"{self._limits.max_decoded_bytes:,} are read. Resize the images or split "
                    "the dataset into several uploads.",
                    member,
                )
            for gray_split, rows in self._files.items():
                self.gray_made_rgb += rows.written
                self._files[gray_split] = rows.widened(channels)
            self._channels = channels
        elif channels < self._channels:
            self.gray_made_rgb += count
            images = np.repeat(images, self._channels, axis=3)
        if split not in self._files:
            self._files[split] = _Rows(
                self._folder / _file_name(split, "images"),
                (self._counts[split], height, width, self._channels),
            )
        self._files[split].append(images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the images so far."""
        _, height, width, channels = self._files["train"].shape
        return height, width, channels

    def finish(
        self,
        summary: DatasetSummary,
        names: Names,
        labels: Mapping[Split, Labels],
        details: Details | None = None,
    ) -> None:
        """Write labels and index. The number of images must be the one that was announced."""
        for split, rows in self._files.items():
            rows.close()
            if not rows.written == self._counts[split] == len(names[split]) == len(labels[split]):
                raise ValueError(f"{split}: {rows.written} of {self._counts[split]} images written")
            np.save(self._folder / _file_name(split, "labels"), labels[split].astype(np.int64))
        index = {
            "format": _FORMAT,
            "summary": summary.to_json(),
            "limits": asdict(self._limits),
            "names": names,
            "details": details or {},
        }
        part = self._folder / f"{_INDEX}.part"
        part.write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
        part.replace(self._folder / _INDEX)


class _Rows:
    """A `.npy` file of uint8 rows, written front to back."""

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        self._path = path
        self.shape = shape
        self.written = 0
        self._file = path.open("w+b")
        np.lib.format.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        self._body_at = self._file.tell()

    def append(self, images: Pixels) -> None:
        self._file.write(np.ascontiguousarray(images).data)
        self.written += len(images)

    def widened(self, channels: int) -> "_Rows":
        """The same rows with the one channel repeated, in a new file under the same name."""
        path, (count, height, width, _) = self._path, self.shape
        wide = _Rows(path.with_name(f"{path.name}.part"), (count, height, width, channels))
        self._file.seek(self._body_at)
        while gray := self._file.read(_COPY_BYTES):
            wide._file.write(np.repeat(np.frombuffer(gray, np.uint8), channels).data)
        wide.written = self.written
        self.close()
        wide._path = wide._path.replace(path)
        return wide

    def close(self) -> None:
        self._file.close()


def _file_name(split: Split, what: str) -> str:
    return f"{split}-{what}.npy"
