"""A protected dataset in another layout than the one it was uploaded in.

Everything is written anew from pixels and labels: no byte of the upload is copied.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, get_args
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from core.conversions import Layout
from worker.layouts.canonical import SPLITS, Canonical, Labels, Split
from worker.layouts.image import Pixels, encode_png
from worker.layouts.npz import IMAGES, LABELS
from worker.layouts.parquet_writer import write_parquet
from worker.layouts.progress import OnProgress, Progress
from worker.layouts.zip_writer import write_member

_NO_FILE_NAME: Final = frozenset('/\\:*?"<>|%')
_ROWS: Final = 256  # of an array that are in memory at a time


def convert(data: Canonical, layout: Layout, folder: Path, on_progress: OnProgress) -> list[Path]:
    """Write a dataset into `folder`.

    - `image_folder`: `protected-folders.zip` with `train/<class>/<row>.png` and `test/...`. What no
      file system takes in a class name is percent-encoded.
    - `npz`: `protected-arrays.npz` with `x_train`, `y_train`, `x_test` and `y_test`; gray images
      are (N, H, W).
    - `parquet`: `protected-train.parquet` and `protected-test.parquet` with the features `image`
      and `label` of Hugging Face's `datasets`, class names included.

    The rows are in the order of `data`. Equal input gives equal bytes.

    Returns:
        The files.
    """
    progress = Progress(on_progress, sum(len(_images(data, split)) for split in SPLITS))
    return _WRITERS[layout](data, folder, progress)


def _images(data: Canonical, split: Split) -> Pixels:
    return data.train_images if split == "train" else data.test_images


def _labels(data: Canonical, split: Split) -> Labels:
    return data.train_labels if split == "train" else data.test_labels


def _image_folder(data: Canonical, folder: Path, progress: Progress) -> list[Path]:
    path = folder / "protected-folders.zip"
    names = [_folder_name(name) for name in data.summary.classes]
    with zipfile.ZipFile(path, "w") as target:
        for split in SPLITS:
            rows = zip(_images(data, split), _labels(data, split), strict=True)
            for row, (image, label) in enumerate(rows):
                name = f"{split}/{names[label]}/{row:06}.png"
                write_member(target, name, [encode_png(image)])
                progress.add()
    return [path]


def _folder_name(name: str) -> str:
    """A class as the name of a folder: different ones stay different."""
    if not name.strip("."):
        return quote(name, safe="").replace(".", "%2E")
    return "".join(
        c if c.isprintable() and c not in _NO_FILE_NAME else quote(c, safe="") for c in name
    )


def _npz(data: Canonical, folder: Path, progress: Progress) -> list[Path]:
    path = folder / "protected-arrays.npz"
    with zipfile.ZipFile(path, "w") as target:
        for split in SPLITS:
            images = _images(data, split)
            flat = images[..., 0] if images.shape[3] == 1 else images
            _write_array(target, IMAGES[split], flat, progress)
            _write_array(target, LABELS[split], _labels(data, split), None)
    return [path]


def _write_array(
    target: zipfile.ZipFile, name: str, array: NDArray[np.generic], progress: Progress | None
) -> None:
    def pieces() -> Iterator[bytes]:
        header = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(array.dtype)
        np.lib.format.write_array_header_1_0(
            header, {"descr": descr, "fortran_order": False, "shape": array.shape}
        )
        yield header.getvalue()
        for start in range(0, len(array), _ROWS):
            part = array[start : start + _ROWS]
            yield part.tobytes()
            if progress is not None:
                progress.add(len(part))

    write_member(target, f"{name}.npy", pieces(), method=zipfile.ZIP_DEFLATED, size=array.nbytes)


def _parquet(data: Canonical, folder: Path, progress: Progress) -> list[Path]:
    return [_write_split(data, split, folder, progress) for split in SPLITS]


def _write_split(data: Canonical, split: Split, folder: Path, progress: Progress) -> Path:
    path = folder / f"protected-{split}.parquet"
    images = _images(data, split)

    def rows() -> Iterator[Pixels]:
        for image in images:
            yield image
            progress.add()

    details = {
        "image": "image",
        "label": "label",
        "paths": [f"{row:06}.png" for row in range(len(images))],
        "label_type": "int64",
        "class_names": True,
    }
    write_parquet(path, details, data.summary.classes, _labels(data, split), rows())
    return path


_WRITERS: Final[dict[Layout, Callable[[Canonical, Path, Progress], list[Path]]]] = {
    "image_folder": _image_folder,
    "npz": _npz,
    "parquet": _parquet,
}
assert set(_WRITERS) == set(get_args(Layout))
