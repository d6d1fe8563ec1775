"""MNIST IDX, CIFAR-10 binary and parquet that lie, are cut, or hold what is not read."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import gray, image, pixels, zipped
from tests.worker.layouts.more_formats import (
    batch,
    cells,
    cifar_files,
    hugging_face,
    idx,
    idx_files,
    table,
)
from worker.layouts.problem import Code

_IMAGES = "train-images-idx3-ubyte"
_LABELS = "train-labels-idx1-ubyte"
_META = "batches.meta.txt"
_ZEROS = np.zeros(6, np.uint8)


def _idx(code: Code, member: str, packed: bool = False, **changes: bytes | None) -> BadFile:
    return BadFile(lambda: zipped(idx_files(packed, **changes)), code, member)


def _header(*shape: int) -> bytes:
    """An IDX header with nothing behind it."""
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)


def _gzipped(name: str, change: Callable[[bytes], bytes]) -> BadFile:
    """One gzipped file changed after packing."""

    def build() -> bytes:
        files = idx_files()
        files[f"{name}.gz"] = change(files[f"{name}.gz"])
        return zipped(files)

    return BadFile(build, "binary_file_damaged", f"{name}.gz")


def _cifar(code: Code, member: str, **changes: bytes | None) -> BadFile:
    def build() -> bytes:
        files: dict[str, bytes | None] = {**cifar_files()}
        files |= {
            f"{name}.txt" if "meta" in name else f"{name}.bin": d for name, d in changes.items()
        }
        return zipped({name: data for name, data in files.items() if data is not None})

    return BadFile(build, code, member)


def _table(code: Code, member: str | None, **columns: Any) -> BadFile:
    good = {"image": cells(), "label": [0, 1] * 6}
    return BadFile(lambda: table(good | columns), code, member)


def _cell(content: bytes | None, path: str | None = None) -> list[dict[str, Any]]:
    """Images of which the one in row 3 is another."""
    return [*cells(3), {"bytes": content, "path": path}, *cells(8)]


def _patched(at: int, patch: bytes) -> bytes:
    data = bytearray(hugging_face())
    data[at : at + len(patch)] = patch
    return bytes(data)


def _wide_strings() -> bytes:
    """Labels of a megabyte each, which a dictionary packs into one."""
    return table({"image": cells(), "label": ["x" * (1 << 20), "y"] * 6})


BAD_FORMATS: dict[str, BadFile] = {
    # MNIST IDX
    "idx_without_labels": _idx("binary_file_missing", _LABELS, train_labels=None),
    "idx_without_images": _idx("binary_file_missing", _IMAGES, train_images=None),
    "idx_test_without_labels": _idx(
        "binary_file_missing", "t10k-labels-idx1-ubyte", t10k_labels=None
    ),
    "idx_with_readme": BadFile(
        lambda: zipped(idx_files() | {"README": b"x"}), "binary_file_unknown", "README"
    ),
    "idx_with_clean_copies": BadFile(
        lambda: zipped(idx_files() | {"clean/0.png": gray()}), "binary_file_unknown", "clean/0.png"
    ),
    "idx_packed_and_not": BadFile(
        lambda: zipped(idx_files() | idx_files(packed=False)),
        "binary_file_unknown",
        _IMAGES,
    ),
    "idx_empty_file": _idx("binary_file_damaged", _IMAGES, train_images=b""),
    "idx_half_a_header": _idx("binary_file_damaged", _IMAGES, train_images=_header(6, 8, 9)[:9]),
    "idx_header_only": _idx("binary_file_damaged", _IMAGES, train_images=_header(6, 8, 9)),
    "idx_one_byte_short": _idx(
        "binary_file_damaged", _IMAGES, train_images=idx(pixels(6, 8, 9))[:-1]
    ),
    "idx_one_byte_long": _idx(
        "binary_file_damaged", _IMAGES, train_images=idx(pixels(6, 8, 9)) + b"x"
    ),
    "idx_labels_one_byte_long": _idx(
        "binary_file_damaged", _LABELS, train_labels=idx(np.array([0, 1, 0, 1, 0, 1])) + b"x"
    ),
    "idx_of_exabytes": _idx("image_too_large", _IMAGES, train_images=_header(6, 2**32 - 1, 9)),
    "idx_of_billions": _idx("zip_bomb", _IMAGES, train_images=_header(2**32 - 1, 8, 9)),
    "idx_packed_bomb": _idx(
        "zip_bomb", f"{_IMAGES}.gz", packed=True, train_images=idx(np.zeros((90_000, 40, 40)))
    ),
    "idx_images_as_labels": _idx("binary_file_damaged", _LABELS, train_labels=idx(pixels(6, 8, 9))),
    "idx_of_floats": _idx("images_not_uint8", _IMAGES, train_images=idx(pixels(6, 8, 9), kind=13)),
    "idx_of_another_kind": _idx("binary_file_damaged", _IMAGES, train_images=b"\1" + bytes(99)),
    "idx_no_images": _idx("no_images", _IMAGES, train_images=idx(pixels(0, 8, 9))),
    "idx_small_images": _idx("image_too_small", _IMAGES, train_images=idx(pixels(6, 7, 9))),
    "idx_other_test_size": _idx(
        "shape_mismatch", "t10k-images-idx3-ubyte", t10k_images=idx(pixels(4, 9, 9))
    ),
    "idx_too_few_labels": _idx("label_count_mismatch", _LABELS, train_labels=idx(_ZEROS[:5])),
    "idx_one_class": _idx("one_class_only", _LABELS, train_labels=idx(_ZEROS)),
    "idx_label_gap": _idx(
        "labels_out_of_range", _LABELS, train_labels=idx(np.array([0, 2, 0, 2, 0, 2]))
    ),
    "idx_unknown_test_label": _idx(
        "labels_out_of_range", "t10k-labels-idx1-ubyte", t10k_labels=idx(np.array([0, 1, 0, 9]))
    ),
    "idx_gzip_cut": _gzipped(_IMAGES, lambda data: data[:-20]),
    "idx_gzip_twice": _gzipped(_IMAGES, lambda data: data * 2),
    "idx_gzip_and_more": _gzipped(_LABELS, lambda data: data + b"x"),
    "idx_gzip_checksum": _gzipped(_IMAGES, lambda data: data[:-8] + bytes(4) + data[-4:]),
    "idx_not_gzipped": _gzipped(_IMAGES, lambda _: idx(pixels(6, 8, 9))),
    # CIFAR-10 binary
    "cifar_test_only": _cifar(
        "binary_file_missing", "data_batch_1.bin", data_batch_1=None, data_batch_2=None
    ),
    "cifar_cut": _cifar("binary_file_damaged", "data_batch_1.bin", data_batch_1=batch([0, 1])[:-1]),
    "cifar_100": _cifar("binary_file_damaged", "data_batch_1.bin", data_batch_1=bytes(3074)),
    "cifar_empty_batch": _cifar("no_images", "data_batch_2.bin", data_batch_2=b""),
    "cifar_unknown_file": _cifar("binary_file_unknown", "extra.bin", extra=batch([0, 1])),
    "cifar_label_gap": _cifar(
        "labels_out_of_range", "data_batch_1.bin", data_batch_1=batch([0, 1, 255])
    ),
    "cifar_too_few_names": _cifar("binary_file_damaged", _META, **{"batches.meta": b"airplane\n"}),
    "cifar_names_that_repeat": _cifar("binary_file_damaged", _META, **{"batches.meta": b"a\na\n"}),
    "cifar_names_that_are_none": _cifar(
        "binary_file_damaged", _META, **{"batches.meta": b"a\xff\nb\n"}
    ),
    "cifar_names_with_escapes": _cifar(
        "binary_file_damaged", _META, **{"batches.meta": b"a\x1b[2J\nb\n"}
    ),
    "cifar_names_without_end": _cifar(
        "binary_file_damaged", _META, **{"batches.meta": b"name\n" * 99_999}
    ),
    # parquet: the file
    "parquet_magic_only": BadFile(lambda: b"PAR1", "parquet_damaged"),
    "parquet_cut": BadFile(lambda: hugging_face()[:-1], "parquet_damaged"),
    "parquet_half": BadFile(lambda: hugging_face()[:400], "parquet_damaged"),
    "parquet_without_footer": BadFile(lambda: b"PAR1" + bytes(99) + b"PAR1", "parquet_damaged"),
    "parquet_footer_of_4_gib": BadFile(
        lambda: hugging_face()[:-8] + b"\xff\xff\xff\xffPAR1", "parquet_damaged"
    ),
    "parquet_damaged_page": BadFile(lambda: _patched(4, b"\xff" * 40), "parquet_damaged"),
    "parquet_encrypted": BadFile(lambda: hugging_face()[:-4] + b"PARE", "parquet_damaged"),
    # parquet: the columns
    "parquet_without_labels": BadFile(
        lambda: table({"image": cells()}), "parquet_column_missing", "label"
    ),
    "parquet_without_images": BadFile(
        lambda: table({"label": [0, 1]}), "parquet_column_missing", "image"
    ),
    "parquet_two_image_columns": _table("parquet_column_missing", "image", img=cells()),
    "parquet_clean_copies": _table("parquet_column_unknown", "clean", clean=cells()),
    "parquet_of_texts": _table("images_shape", "image", image=["cat"] * 12),
    "parquet_of_lists": _table("images_shape", "image", image=[[1, 2, 3]] * 12),
    "parquet_float_labels": _table("labels_not_integer", "label", label=[0.0, 1.0] * 6),
    "parquet_nan_labels": _table("labels_not_integer", "label", label=[float("nan")] * 12),
    "parquet_bool_labels": _table("labels_not_integer", "label", label=[True, False] * 6),
    "parquet_list_labels": _table("labels_not_integer", "label", label=[[0], [1]] * 6),
    "parquet_no_rows": BadFile(
        lambda: table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}),
        "no_images",
        "image",
    ),
    # parquet: the values
    "parquet_row_without_label": _table("parquet_value_invalid", "label", label=[0, None] * 6),
    "parquet_unlabelled": _table("labels_out_of_range", "label", label=[0, -1] * 6),
    "parquet_label_gap": _table("labels_out_of_range", "label", label=[0, 2] * 6),
    "parquet_one_class": _table("one_class_only", "label", label=[0] * 12),
    "parquet_rare_class": _table("class_too_small", "label", label=[0] * 11 + [1]),
    "parquet_control_characters": _table("parquet_value_invalid", "label", label=["a\0", "b"] * 6),
    "parquet_endless_labels": BadFile(_wide_strings, "parquet_value_invalid", "label"),
    "parquet_too_few_names": BadFile(
        lambda: table({"image": cells(), "label": [0, 1] * 6}, {"label": {"names": ["cat"]}}),
        "parquet_value_invalid",
        "label",
    ),
    "parquet_names_that_repeat": BadFile(
        lambda: table(
            {"image": cells(), "label": [0, 1] * 6}, {"label": {"names": ["cat", "cat"]}}
        ),
        "parquet_value_invalid",
        "label",
    ),
    "parquet_image_elsewhere": _table(
        "parquet_value_invalid", "image[3]", image=_cell(None, "/etc/passwd")
    ),
    "parquet_empty_image": _table("parquet_value_invalid", "image[3]", image=_cell(b"", "a.png")),
    "parquet_endless_path": _table(
        "parquet_value_invalid", "image[3]", image=_cell(gray(), "x" * 600)
    ),
    "parquet_text_as_image": _table("not_an_image", "image[3]", image=_cell(b"cat")),
    "parquet_half_an_image": _table(
        "image_truncated", "image[3]", image=_cell(image(pixels(8, 8, 3))[:60])
    ),
    "parquet_mixed_sizes": _table("mixed_sizes", "image[3]", image=_cell(image(pixels(9, 9, 3)))),
}
