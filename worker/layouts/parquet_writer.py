"""The way out of a parquet upload: new columns, for which nothing of the upload is read again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from worker.layouts.canonical import Details, Labels
from worker.layouts.image import Pixels, encode_png
from worker.layouts.parquet import METADATA

_ROW_GROUP: Final = 100
"""Rows of a written row group: what Hugging Face writes for images."""


def write_parquet(
    path: Path,
    details: Details,
    classes: list[str],
    labels: Labels,
    images: Iterator[Pixels],
) -> None:
    """Write the columns that `read_parquet` read, with these images as PNG.

    Args:
        details: as `read_parquet` left it in the index.
        labels: int64 (N,), in the order of the upload.
        images: uint8 (H, W, C), N of them in the same order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths: list[str | None] | None = details["paths"]
    binary = pa.binary()
    image_type = binary if paths is None else pa.struct([("bytes", binary), ("path", pa.string())])
    is_text = details["label_type"] in {"string", "large_string"}
    label_type = pa.string() if is_text else pa.type_for_alias(details["label_type"])
    image, label = details["image"], details["label"]
    schema = pa.schema(
        [(image, image_type), (label, label_type)],
        metadata={METADATA: _features(image, label, classes, details, is_text=is_text)},
    )
    # PNG does not pack any further, and statistics would hold whole images.
    with pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=False, write_statistics=False
    ) as out:
        for start in range(0, len(labels), _ROW_GROUP):
            chosen = labels[start : start + _ROW_GROUP].tolist()
            files = [encode_png(next(images)) for _ in chosen]
            cells: list[Any] = files
            if paths is not None:
                cells = [{"bytes": file, "path": paths[start + i]} for i, file in enumerate(files)]
            told = [classes[i] for i in chosen] if is_text else chosen
            out.write_table(
                pa.table([pa.array(cells, image_type), pa.array(told, label_type)], schema=schema),
                row_group_size=_ROW_GROUP,
            )


def _features(
    image: str, label: str, classes: list[str], details: Details, *, is_text: bool
) -> bytes:
    """The metadata by which `datasets` knows the columns."""
    kind: dict[str, Any] = {"dtype": details["label_type"], "_type": "Value"}
    if details["class_names"]:
        kind = {"names": classes, "_type": "ClassLabel"}
    elif is_text:
        kind = {"dtype": "string", "_type": "Value"}
    features = {image: {"_type": "Image"}, label: kind}
    return json.dumps({"info": {"features": features}}).encode()
