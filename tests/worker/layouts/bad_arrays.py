"""npz files with arrays that are missing, too many, or not what they say."""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import arrays, pixels, zipped
from worker.layouts.problem import Code


class _Harmful:
    """What a pickle may do when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("loaded",))


def _header(text: str, body: bytes = b"", version: int = 1) -> bytes:
    """A `.npy` with any header."""
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(padded).to_bytes(2, "little") + padded + body


def _with_x(member: bytes) -> bytes:
    """An npz whose x_train is the given `.npy`."""
    return zipped({"x_train.npy": member, "y_train.npy": _npy(np.array([0, 1, 0, 1]))})


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def _objects(item: object) -> NDArray[Any]:
    array = np.empty(6, object)
    array[:] = item
    return array


def _bad(code: Code, member: str, **changes: NDArray[Any] | None) -> BadFile:
    return BadFile(lambda: arrays(**changes), code, member)


_ONE_HOT = np.eye(2, dtype=np.int64)[[0, 1, 0, 1, 0, 1]]
_FLOATS = np.random.default_rng(0).random((6, 8, 8))
_NAN = np.full((6, 8, 8), np.nan)
_NO_TEST: dict[str, NDArray[Any] | None] = {"x_test": None, "y_test": None}

BAD_ARRAYS: dict[str, BadFile] = {
    # which arrays
    "no_labels": _bad("npz_array_missing", "y_train", y_train=None),
    "no_training_images": _bad("npz_array_missing", "x_train", x_train=None),
    "test_images_without_labels": _bad("npz_array_missing", "y_test", y_test=None),
    "test_labels_without_images": _bad("npz_array_missing", "x_test", x_test=None),
    "clean_copies": _bad("npz_array_unknown", "x_clean", x_clean=pixels(6, 8, 8)),
    "unnamed_array": _bad("npz_array_unknown", "arr_0", arr_0=pixels(6)),
    # headers
    "object_labels": _bad("npz_object_array", "y_train", y_train=_objects("cat")),
    "object_images": _bad("npz_object_array", "x_train", x_train=_objects(_Harmful())),
    "pickle_instead_of_array": BadFile(
        lambda: _with_x(pickle.dumps(_Harmful())), "npz_array_damaged", "x_train"
    ),
    "header_of_exabytes": BadFile(
        lambda: _with_x(
            _header("{'descr': '|u1', 'fortran_order': False, 'shape': (1152921504606846976,8,8)}")
        ),
        "npz_array_damaged",
        "x_train",
    ),
    "header_of_too_little": BadFile(
        lambda: _with_x(
            _header("{'descr': '|u1', 'fortran_order': False, 'shape': (4,8,8)}", bytes(9999))
        ),
        "npz_array_damaged",
        "x_train",
    ),
    "negative_shape": BadFile(
        lambda: _with_x(
            _header("{'descr': '|u1', 'fortran_order': False, 'shape': (-4,-8,8)}", bytes(256))
        ),
        "npz_array_damaged",
        "x_train",
    ),
    "header_that_is_code": BadFile(
        lambda: _with_x(_header("__import__('os').abort()")), "npz_array_damaged", "x_train"
    ),
    "header_nested_deeply": BadFile(
        lambda: _with_x(_header("(" * 5000)), "npz_array_damaged", "x_train"
    ),
    "header_of_version_9": BadFile(
        lambda: _with_x(_header("{}", version=9)), "npz_array_damaged", "x_train"
    ),
    "empty_member": BadFile(lambda: _with_x(b""), "npz_array_damaged", "x_train"),
    "column_by_column": _bad(
        "npz_fortran_order", "x_train", x_train=np.asfortranarray(pixels(6, 8, 8))
    ),
    # images
    "float_images": _bad("images_not_uint8", "x_train", x_train=_FLOATS),
    "nan_images": _bad("images_not_uint8", "x_train", x_train=_NAN),
    "float_test_images": _bad("images_not_uint8", "x_test", x_test=_FLOATS[:4]),
    "int16_images": _bad("images_not_uint8", "x_train", x_train=np.zeros((6, 8, 8), np.int16)),
    "flat_images": _bad("images_shape", "x_train", x_train=pixels(6, 64)),
    "channels_first": _bad("images_shape", "x_train", x_train=pixels(6, 3, 8, 8)),
    "alpha_channel": _bad("images_shape", "x_train", x_train=pixels(6, 8, 8, 4)),
    "no_test_images": _bad(
        "no_images", "x_test", x_test=pixels(0, 8, 8), y_test=np.zeros(0, np.int64)
    ),
    "small_images": _bad("image_too_small", "x_train", x_train=pixels(6, 8, 7)),
    "large_images": _bad("image_too_large", "x_train", x_train=np.zeros((6, 8, 4097), np.uint8)),
    "other_test_size": _bad("shape_mismatch", "x_test", x_test=pixels(4, 9, 8)),
    "other_test_channels": _bad("shape_mismatch", "x_test", x_test=pixels(4, 8, 8, 1)),
    # labels
    "float_labels": _bad("labels_not_integer", "y_train", y_train=np.zeros(6)),
    "nan_labels": _bad("labels_not_integer", "y_train", y_train=np.full(6, np.nan)),
    "text_labels": _bad("labels_not_integer", "y_train", y_train=np.array(["cat"] * 6)),
    "bool_labels": _bad("labels_not_integer", "y_train", y_train=np.zeros(6, bool)),
    "one_hot_labels": _bad("labels_shape", "y_train", y_train=_ONE_HOT),
    "too_few_labels": _bad("label_count_mismatch", "y_train", y_train=np.array([0, 1, 0, 1])),
    "negative_label": _bad("labels_out_of_range", "y_train", y_train=np.array([0, 1, 0, 1, 0, -1])),
    "label_gap": _bad("labels_out_of_range", "y_train", y_train=np.array([0, 2, 0, 2, 0, 2])),
    "labels_from_one": _bad("labels_out_of_range", "y_train", y_train=np.array([1, 2, 1, 2, 1, 2])),
    "huge_label": _bad(
        "labels_out_of_range",
        "y_train",
        y_train=np.array([0, 2**64 - 1, 0, 2**64 - 1, 0, 1], np.uint64),
    ),
    "unknown_test_label": _bad("labels_out_of_range", "y_test", y_test=np.array([0, 1, 0, 2])),
    "negative_test_label": _bad("labels_out_of_range", "y_test", y_test=np.array([0, 1, 0, -1])),
    "one_label_only": _bad("one_class_only", "y_train", y_train=np.zeros(6, int)),
    "label_seen_once": _bad("class_too_small", "y_train", y_train=np.array([0, 0, 0, 0, 0, 1])),
    "label_seen_once_without_test": _bad(
        "class_too_small", "y_train", y_train=np.array([0, 0, 0, 0, 0, 1]), **_NO_TEST
    ),
}
