"""Small uploads that must be accepted, and the parts of which bad ones are made."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def pixels(*shape: int, seed: int = 0) -> Pixels:
    """Random uint8 of any shape."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image(array: Pixels, kind: str = "PNG", **options: Any) -> bytes:
    """An image file of uint8 (H, W) or (H, W, C)."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def gray(seed: int = 0, side: int = 8) -> bytes:
    return image(pixels(side, side, seed=seed))


def zipped(members: Mapping[str, bytes]) -> bytes:
    """An ordinary zip by the standard library; a name that ends with / is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def folder() -> dict[str, bytes]:
    """Members of the smallest dataset with a split."""
    return {
        "train/a/0.png": gray(0),
        "train/a/1.png": gray(1),
        "train/b/0.png": gray(2),
        "train/b/1.png": gray(3),
        "test/a/0.png": gray(4),
        "test/b/0.png": gray(5),
    }


def folder_with(name: str, data: bytes) -> bytes:
    """The smallest dataset and one more member, first in the archive."""
    return zipped({name: data} | folder())


def arrays(**changes: NDArray[Any] | None) -> bytes:
    """An npz of 6 training and 4 test images in 2 classes; `changes` replace, None removes."""
    parts: dict[str, NDArray[Any] | None] = {
        "x_train": pixels(6, 8, 8),
        "y_train": np.array([0, 1, 0, 1, 0, 1]),
        "x_test": pixels(4, 8, 8, seed=1),
        "y_test": np.array([0, 1, 0, 1]),
    }
    return packed({name: part for name, part in (parts | changes).items() if part is not None})


def packed(parts: Mapping[str, NDArray[Any]], compressed: bool = False) -> bytes:
    """An npz of arrays by name."""
    buffer = io.BytesIO()
    save: Callable[..., None] = np.savez_compressed if compressed else np.savez
    save(buffer, **parts)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(width: int, height: int, bits: int, colour: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG from its header fields and filtered rows; `more` are chunks between them."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            *more,
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        )
    )
