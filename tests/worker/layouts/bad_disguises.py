"""Files that are something else than they seem: polyglots, wrong names, bombs in a wrapping."""

import bz2
import io
import lzma
import pickle
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import (
    arrays,
    chunk,
    folder,
    folder_with,
    gray,
    image,
    pixels,
    raw_png,
    zipped,
)
from tests.worker.layouts.zip_builder import DEFLATED, Entry, build_zip
from worker.layouts.problem import Code

MEMBER = "train/a/bad.png"
_MIB = 1 << 20


def _in_folder(build: Callable[[], bytes], code: Code, name: str = MEMBER) -> BadFile:
    """One bad image among good ones."""
    return BadFile(lambda: folder_with(name, build()), code, name)


def _named(name: str) -> BadFile:
    """A good image under a bad name."""
    return BadFile(
        lambda: build_zip([Entry(name, gray()), *(Entry(n, d) for n, d in folder().items())]),
        "zip_unsafe_name",
        name,
    )


def _flipped(data: bytes, after: bytes, offset: int = 0) -> bytes:
    """One byte changed behind a marker."""
    damaged = bytearray(data)
    damaged[damaged.index(after) + len(after) + offset] ^= 0xFF
    return bytes(damaged)


def _sqlite() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("create table images (pixels blob)")
        data = database.serialize()
    database.close()
    return data


def _torch_file() -> bytes:
    """What torch.save writes: a zip with a pickle in it."""
    return zipped({"archive/data.pkl": pickle.dumps({"weight": 1}), "archive/version": b"3\n"})


def _nested(levels: int) -> bytes:
    """Zips in zips, the innermost full of zeros."""
    data = bytes(10 * _MIB)
    for level in range(levels):
        data = zipped({f"{level}.zip": data})
    return folder_with(MEMBER, data)


def _many_small_bombs() -> bytes:
    """200 members of one MiB of zeros: none of them large, all of them too much."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = packed.compress(bytes(_MIB)) + packed.flush()
    return build_zip(
        [
            Entry(f"train/{'ab'[i % 2]}/{i}.png", bytes(_MIB), DEFLATED, packed=stream)
            for i in range(200)
        ]
    )


def _png(width: int = 8, height: int = 8, bits: int = 8, colour: int = 0) -> bytes:
    return raw_png(width, height, bits, colour, bytes(72))


def _exif_bomb() -> bytes:
    """A JPEG whose EXIF directory points at itself and says that it has 65,535 entries."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff\x08\0\0\0" * 20
    data = image(pixels(16, 16, 3), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return data[:2] + segment + data[2:100]


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _jpeg_without(marker: bytes) -> bytes:
    """A JPEG with one of its segments renamed to a comment."""
    data = bytearray(image(pixels(16, 16, 3), "JPEG"))
    at = data.index(marker)
    data[at : at + 2] = b"\xff\xfe"
    return bytes(data)


def _utf8_flagged_twice() -> bytes:
    """One name twice, once said to be UTF-8."""
    return build_zip(
        [Entry("train/a/0.png", gray(), flags=flags) for flags in (0, 1 << 11)]
        + [Entry(name, data) for name, data in folder().items() if name != "train/a/0.png"]
    )


_NO_ARCHIVE: dict[str, Callable[[], bytes]] = {
    "seven_zip": lambda: b"7z\xbc\xaf\x27\x1c" + bytes(200),
    "rar": lambda: b"Rar!\x1a\x07\x01\0" + bytes(200),
    "xz": lambda: lzma.compress(zipped(folder())),
    "bzip2": lambda: bz2.compress(zipped(folder())),
    "zstandard": lambda: b"\x28\xb5\x2f\xfd" + bytes(200),
    "elf_program": lambda: b"\x7fELF\x02\x01\x01" + bytes(200),
    "windows_program": lambda: b"MZ" + bytes(200),
    "shell_script": lambda: b"#!/bin/sh\nrm -rf /\n",
    "pickle": lambda: pickle.dumps({"images": [1, 2, 3]}),
    "json": lambda: b'{"images": []}',
    "html": lambda: b"<!doctype html><script>alert(1)</script>",
    "svg_alone": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "sqlite": _sqlite,
    "hdf5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(200),
    "matlab": lambda: b"MATLAB 5.0 MAT-file" + bytes(200),
    "safetensors": lambda: struct.pack("<Q", 2) + b"{}",
    "tfrecord": lambda: struct.pack("<Q", 5) + bytes(40),
    "csv": lambda: b"file,label\n0.png,1\n" * 50,
    "zeros": lambda: bytes(100_000),
    "one_byte": lambda: b"P",
    "zip_magic_only": lambda: b"PK",
    "jpeg_alone": lambda: image(pixels(16, 16, 3), "JPEG"),
    "webp_alone": lambda: image(pixels(16, 16, 3), "WEBP"),
}

_KINDS = ("PNG", "JPEG", "WEBP")

BAD_DISGUISES: dict[str, BadFile] = {
    # something else, uploaded as a dataset
    **{name: BadFile(build, "not_an_archive") for name, build in _NO_ARCHIVE.items()},
    "local_header_only": BadFile(lambda: b"PK\x03\x04" + bytes(100), "zip_truncated"),
    "spanned_marker": BadFile(lambda: b"PK\x07\x08" + zipped(folder()), "zip_damaged"),
    "png_with_a_zip_behind": BadFile(lambda: gray() + zipped(folder()), "zip_damaged"),
    "gif_with_a_zip_behind": BadFile(
        lambda: image(pixels(8, 8), "GIF") + zipped(folder()), "zip_damaged"
    ),
    "pdf_with_a_zip_behind": BadFile(lambda: b"%PDF-1.7\n" + zipped(folder()), "zip_damaged"),
    "zip_with_a_zip_behind": BadFile(lambda: zipped(folder()) * 2, "zip_damaged"),
    "zip_with_a_page_behind": BadFile(lambda: zipped(folder()) + b"<html></html>", "zip_damaged"),
    "torch_file": BadFile(_torch_file, "one_class_only", "archive/"),
    "java_archive": BadFile(
        lambda: zipped({"META-INF/MANIFEST.MF": b"", "a/B.class": b"\xca\xfe\xba\xbe"}),
        "class_too_small",
        "META-INF/",
    ),
    "office_document": BadFile(
        lambda: zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<a/>"}),
        "layout_unknown",
        "[Content_Types].xml",
    ),
    # something else, named like an image
    **{
        f"{name}_named_png": _in_folder(build, "not_an_image")
        for name, build in _NO_ARCHIVE.items()
        if name not in {"svg_alone", "jpeg_alone", "webp_alone", "zeros"}
    },
    "zeros_named_png": _in_folder(lambda: bytes(100_000), "not_an_image"),
    "zip_named_png": _in_folder(lambda: zipped(folder()), "not_an_image"),
    "png_magic_only": _in_folder(lambda: b"\x89PNG\r\n\x1a\n", "image_truncated"),
    "jpeg_magic_only": _in_folder(lambda: b"\xff\xd8\xff", "image_truncated"),
    "webp_magic_only": _in_folder(lambda: b"RIFF\x04\0\0\0WEBP", "image_damaged"),
    "png_after_a_byte": _in_folder(lambda: b"\0" + gray(), "not_an_image"),
    "png_magic_then_jpeg": _in_folder(
        lambda: b"\x89PNG\r\n\x1a\n" + image(pixels(16, 16, 3), "JPEG"), "image_truncated"
    ),
    "gif_named_jpg": _in_folder(
        lambda: image(pixels(8, 8), "GIF"), "image_format_unsupported", "train/a/x.jpg"
    ),
    "tiff_named_webp": _in_folder(
        lambda: image(pixels(8, 8), "TIFF"), "image_format_unsupported", "train/a/x.webp"
    ),
    "array_named_png": _in_folder(lambda: b"\x93NUMPY" + bytes(200), "not_an_image"),
    "avif": _in_folder(lambda: b"\0\0\0\x20ftypavif" + bytes(99), "image_format_unsupported"),
    "heic": _in_folder(lambda: b"\0\0\0\x20ftypheic" + bytes(99), "image_format_unsupported"),
    "jpeg_xl": _in_folder(lambda: b"\xff\x0a" + bytes(99), "image_format_unsupported"),
    "jpeg_2000": _in_folder(
        lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "image_format_unsupported"
    ),
    "photoshop": _in_folder(lambda: b"8BPS\0\x01" + bytes(99), "image_format_unsupported"),
    "open_exr": _in_folder(lambda: b"\x76\x2f\x31\x01" + bytes(99), "image_format_unsupported"),
    "svg_with_entities": _in_folder(
        lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><svg>&a;</svg>', "image_svg"
    ),
    # cut at many places
    **{
        f"{kind.lower()}_cut_at_{percent}_percent": _in_folder(
            lambda kind=kind, percent=percent: _cut(  # type: ignore[misc]
                image(pixels(32, 32, 3), kind), percent / 100
            ),
            "image_truncated",
        )
        for kind in _KINDS
        for percent in (20, 75, 99)
    },
    # headers that cannot be
    "png_header_checksum": _in_folder(lambda: _flipped(gray(), b"IHDR", 13), "image_damaged"),
    "png_pixels_checksum": _in_folder(lambda: _flipped(gray(), b"IDAT", 20), "image_damaged"),
    "png_of_3_bits": _in_folder(lambda: _png(bits=3), "image_damaged"),
    "png_of_colour_5": _in_folder(lambda: _png(colour=5), "image_damaged"),
    "png_of_2_billion": _in_folder(lambda: _png(2**31 - 1, 2**31 - 1), "image_too_large"),
    "png_of_4_billion": _in_folder(lambda: _png(2**32 - 1, 1), "image_too_large"),
    "png_of_no_height": _in_folder(lambda: _png(8, 0), "image_too_small"),
    "png_thin": _in_folder(lambda: _png(4096, 1), "image_too_small"),
    "png_without_pixels": _in_folder(
        lambda: (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
            + chunk(b"IEND", b"")
        ),
        "image_damaged",
    ),
    "png_with_too_few_pixels": _in_folder(
        lambda: raw_png(64, 64, 8, 0, bytes(100)), "image_damaged"
    ),
    "png_chunk_of_4_gib": _in_folder(
        lambda: gray()[:33] + b"\xff\xff\xff\xfftEXt" + bytes(99), "image_truncated"
    ),
    "png_sixteen_bit_alpha": _in_folder(lambda: _png(bits=16, colour=6), "image_16_bit"),
    "jpeg_without_frame": _in_folder(lambda: _jpeg_without(b"\xff\xc0"), "image_damaged"),
    "jpeg_without_scan": _in_folder(lambda: _jpeg_without(b"\xff\xda"), "image_damaged"),
    "jpeg_of_no_size": _in_folder(
        lambda: _with_size(image(pixels(16, 16, 3), "JPEG"), 0, 16), "image_damaged"
    ),
    "jpeg_thin": _in_folder(
        lambda: _with_size(image(pixels(16, 16, 3), "JPEG"), 1, 16), "image_too_small"
    ),
    "jpeg_exif_bomb": _in_folder(_exif_bomb, "image_truncated"),
    # bombs in a wrapping
    "zip_in_zip_in_zip": BadFile(lambda: _nested(3), "not_an_image", MEMBER),
    "many_small_bombs": BadFile(_many_small_bombs, "zip_bomb", "train/a/0.png"),
    "npz_bomb": BadFile(
        lambda: _packed(x_train=np.zeros((120_000, 32, 32), np.uint8)), "zip_bomb", "x_train.npy"
    ),
    # names
    **{
        f"name_{title}": _named(name)
        for title, name in {
            "dot": "train/a/.",
            "dot_first": "./train/a/9.png",
            "parent_last": "train/a/..",
            "parent_only": "../../../../root/.ssh/authorized_keys",
            "drive_lower": "c:9.png",
            "network_share": "//server/share/9.png",
            "double_slash": "train/a//9.png",
            "unc": "\\\\server\\share",
        }.items()
    },
    "name_newline": BadFile(
        lambda: folder_with("train/a/x\n.png", gray()),
        "zip_unsafe_name",
        "train/a/x\ufffd.png",
    ),
    "same_name_by_another_flag": BadFile(
        _utf8_flagged_twice, "zip_duplicate_name", "train/a/0.png"
    ),
    # npz in disguise
    "npz_with_a_png": BadFile(
        lambda: _with_member(arrays(), "train/a/0.png", gray()),
        "npz_array_unknown",
        "train/a/0.png",
    ),
    "npz_with_a_pickle": BadFile(
        lambda: _with_member(arrays(), "data.pkl", pickle.dumps(1)), "npz_array_unknown", "data.pkl"
    ),
    "npz_in_a_folder": BadFile(
        lambda: zipped({"data/x_train.npy": _npy(pixels(6, 8, 8))}),
        "npz_array_unknown",
        "data/x_train",
    ),
    "structured_images": BadFile(
        lambda: _packed(x_train=np.zeros((6, 8, 8), [("r", "u1"), ("g", "u1")])),
        "images_not_uint8",
        "x_train",
    ),
    "date_labels": BadFile(
        lambda: _packed(y_train=np.zeros(6, "datetime64[s]")), "labels_not_integer", "y_train"
    ),
    "complex_images": BadFile(
        lambda: _packed(x_train=np.zeros((6, 8, 8), complex)), "images_not_uint8", "x_train"
    ),
    "scalar_images": BadFile(lambda: _packed(x_train=np.uint8(3)), "images_shape", "x_train"),
    "infinite_labels": BadFile(
        lambda: _packed(y_train=np.full(6, np.inf)), "labels_not_integer", "y_train"
    ),
    "labels_of_another_planet": BadFile(
        lambda: _packed(y_train=np.array([0, 1, 0, 1, 0, 2**62])), "labels_out_of_range", "y_train"
    ),
}


def _with_size(data: bytes, height: int, width: int) -> bytes:
    """A JPEG whose frame header says another size."""
    changed = bytearray(data)
    struct.pack_into(">HH", changed, changed.index(b"\xff\xc0") + 5, height, width)
    return bytes(changed)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def _packed(**changes: object) -> bytes:
    """The smallest npz with other arrays, compressed."""
    parts = {
        "x_train": pixels(6, 8, 8),
        "y_train": np.array([0, 1, 0, 1, 0, 1]),
    } | changes
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **parts)  # type: ignore[arg-type]
    return buffer.getvalue()


def _with_member(data: bytes, name: str, content: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()
