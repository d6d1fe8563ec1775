"""Small uploads as MNIST IDX, CIFAR-10 binary and parquet, and the parts of bad ones."""

import gzip
import io
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.worker.layouts.good_files import image, pixels


def idx(array: NDArray[Any], kind: int = 8) -> bytes:
    """An IDX file of unsigned bytes."""
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def idx_files(packed: bool = True, test: bool = True, **changes: bytes | None) -> dict[str, bytes]:
    """Members of an IDX upload; `changes` replace a file by its first two words, None removes."""
    files: dict[str, bytes | None] = {
        "train_images": idx(pixels(6, 8, 9)),
        "train_labels": idx(np.array([0, 1, 0, 1, 0, 1])),
    }
    if test:
        files |= {
            "t10k_images": idx(pixels(4, 8, 9, seed=1)),
            "t10k_labels": idx(np.array([1, 0, 1, 0])),
        }
    files |= changes
    ending = ".gz" if packed else ""
    return {
        f"{name.replace('_', '-')}-idx{3 if 'images' in name else 1}-ubyte{ending}": (
            gzip.compress(data) if packed else data
        )
        for name, data in files.items()
        if data is not None
    }


def batch(labels: list[int], seed: int = 0) -> bytes:
    """A CIFAR-10 batch of random images."""
    planes = pixels(len(labels), 3 * 32 * 32, seed=seed)
    return np.concatenate([np.array(labels, np.uint8)[:, None], planes], axis=1).tobytes()


def cifar_files(test: bool = True) -> dict[str, bytes]:
    """Members of a CIFAR-10 upload of two classes."""
    files = {
        "batches.meta.txt": b"airplane\nautomobile\nbird\n\n",
        "data_batch_1.bin": batch([0, 1, 0, 1]),
        "data_batch_2.bin": batch([1, 0, 0], seed=1),
    }
    return files | ({"test_batch.bin": batch([0, 1], seed=2)} if test else {})


def table(
    columns: Mapping[str, Any], features: Mapping[str, Any] | None = None, **options: Any
) -> bytes:
    """A parquet file."""
    arrow = pa.table(dict(columns))
    if features is not None:
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        arrow = arrow.replace_schema_metadata(metadata)
    buffer = io.BytesIO()
    pq.write_table(arrow, buffer, **options)
    return buffer.getvalue()


def cells(count: int = 12, kind: str = "PNG", **shape: int) -> list[dict[str, Any]]:
    """Images as Hugging Face stores them."""
    side = shape.get("side", 8)
    return [
        {"bytes": image(pixels(side, side, 3, seed=i), kind), "path": f"{i:02}.{kind.lower()}"}
        for i in range(count)
    ]


def hugging_face(count: int = 12, kind: str = "PNG") -> bytes:
    """A file as `datasets` writes it: two classes with names."""
    return table(
        {"image": cells(count, kind), "label": [i % 2 for i in range(count)]},
        {
            "image": {"_type": "Image"},
            "label": {"names": ["cat", "dog"], "_type": "ClassLabel"},
        },
        row_group_size=5,
    )
