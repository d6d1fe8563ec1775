"""Lies and bombs in what surrounds the pixels: zip64 fields, names, profiles, EXIF, pages."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import chunk, folder, folder_with, gray, image, pixels, raw_png
from tests.worker.layouts.good_files import zipped as zip_of
from tests.worker.layouts.more_formats import cells, table
from tests.worker.layouts.zip_builder import Entry, build_zip
from worker.layouts.problem import Code

MEMBER = "train/a/bad.png"
_MIB = 1 << 20
_FULL = 0xFFFFFFFF
_HUGE = 65 * _MIB


def _entries(*first: Entry) -> list[Entry]:
    return [*first, *(Entry(name, data) for name, data in folder().items())]


def _zip64(size: int, packed: int) -> bytes:
    """A member whose sizes stand in its zip64 field."""
    extra = struct.pack("<HHQQ", 1, 16, size, packed)
    data = gray()
    entry = Entry(MEMBER, data, size=_FULL, extra=extra)
    body = bytearray(build_zip(_entries(entry)))
    # Both 32-bit sizes of the central record say: look into the field.
    at = body.index(b"PK\x01\x02")
    struct.pack_into("<L", body, at + 20, _FULL)
    return bytes(body)


def _zip64_end(count: int, size: int, start: int) -> bytes:
    """An archive whose zip64 end says these, and whose plain end says nothing."""
    plain = build_zip(_entries())
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _FULL, _FULL, 0)
    return plain[:-22] + end64 + locator + end


def _named(name: str, shown: str) -> BadFile:
    return BadFile(
        lambda: build_zip(_entries(Entry(name, gray()))),
        "zip_unsafe_name",
        shown,
    )


def _in_folder(build: Callable[[], bytes], code: Code) -> BadFile:
    return BadFile(lambda: folder_with(MEMBER, build()), code, MEMBER)


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    return raw_png(8, 8, 8, 0, bytes(72), chunk(kind, data))


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in folder().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _npz_with_long_header() -> bytes:
    """An array of version 2, whose header says that it has 4 GiB."""
    member = b"\x93NUMPY\x02\0" + struct.pack("<L", _FULL) + b"{'descr': '|u1'}"
    return zip_of({"x_train.npy": member, "y_train.npy": member})


def _varint(value: int, length: int = 0) -> bytes:
    """A number as thrift's compact protocol has it, drawn out to `length` bytes."""
    value *= 2
    digits = []
    while value or len(digits) < length:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits[:-1], digits[-1] & 0x7F])


def _huge_cell() -> bytes:
    """A table whose first image is 65 MiB of zeros in a few kilobytes."""
    images = [{"bytes": bytes(_HUGE), "path": "0.png"}, *cells(11)]
    return table({"image": images, "label": [0, 1] * 6}, compression="zstd")


def _with_lying_sizes(data: bytes) -> bytes:
    """The same, with every unpacked size in the footer changed to something small."""
    length = struct.unpack("<L", data[-8:-4])[0]
    footer = data[-8 - length : -8]
    lied = bytearray(footer)
    at = 0
    while at < len(footer):
        for size in (4, 5):
            number = _read_varint(footer[at : at + size])
            if number is not None and number > 2 * _HUGE - _MIB:
                lied[at : at + size] = _varint(100, size)
        at += 1
    return data[: -8 - length] + bytes(lied) + data[-8:]


def _read_varint(digits: bytes) -> int | None:
    """A number that ends exactly here; None if these bytes are none."""
    if not digits or digits[-1] & 0x80 or not all(digit & 0x80 for digit in digits[:-1]):
        return None
    number = sum((digit & 0x7F) << 7 * place for place, digit in enumerate(digits))
    return number if number < 4 * _HUGE else None


def _page_that_declares_more() -> bytes:
    """The first page's header says another unpacked size than it has."""
    data = bytearray(table({"image": cells(), "label": [0, 1] * 6}))
    # After the magic: field 1 (the kind of page), then field 2, the unpacked size.
    end = 7
    while data[end] & 0x80:
        end += 1
    data[7 : end + 1] = b"\xfe" + b"\xff" * (end - 8) + b"\x7f"
    return bytes(data)


def _jpeg_with(segment: bytes, marker: bytes) -> bytes:
    """A cut JPEG with one more segment."""
    data = image(pixels(16, 16, 3), "JPEG")
    return data[:2] + marker + struct.pack(">H", len(segment) + 2) + segment + data[2:200]


BAD_METADATA: dict[str, BadFile] = {
    # zip64
    "zip64_size_of_exabytes": BadFile(
        lambda: _zip64(2**62, 2**62), "zip_overlapping_members", MEMBER
    ),
    "zip64_unpacked_size_lies": BadFile(lambda: _zip64(5, len(gray())), "zip_damaged", MEMBER),
    "zip64_count_of_exabytes": BadFile(lambda: _zip64_end(2**63, 100, 0), "zip_damaged"),
    "zip64_directory_of_exabytes": BadFile(lambda: _zip64_end(6, 2**63, 2**62), "zip_damaged"),
    # names
    "name_right_to_left": _named("train/a/\u202egnp.exe", "train/a/\ufffdgnp.exe"),
    "name_isolated": _named("train/a/\u2066x\u2069.png", "train/a/\ufffdx\ufffd.png"),
    "class_right_to_left": _named("train/\u202ea/9.png", "train/\ufffda/9.png"),
    "name_next_line": _named("train/a/x\x85.png", "train/a/x\ufffd.png"),
    "name_line_separator": _named("train/a/x\u2028.png", "train/a/x\ufffd.png"),
    "name_carriage_return": _named("train/a/x\r\nX: y.png", "train/a/x\ufffd\ufffdX: y.png"),
    "name_of_4_kib": _named("train/a/" + "y" * 4096, "train/a/" + "y" * 191 + "…"),
    # beside the pixels
    "png_profile_bomb": _in_folder(
        lambda: _with_chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(_HUGE), 9)), "image_damaged"
    ),
    "png_international_text_bomb": _in_folder(
        lambda: _with_chunk(b"iTXt", b"c\0\1\0\0\0" + zlib.compress(bytes(_HUGE), 9)),
        "image_damaged",
    ),
    "jpeg_profile_of_many_parts": _in_folder(
        lambda: _jpeg_with(b"ICC_PROFILE\0\1\xff" + bytes(999), b"\xff\xe2"), "image_truncated"
    ),
    "jpeg_preview_in_exif": _in_folder(
        lambda: _jpeg_with(b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\xff\xe1"), "image_truncated"
    ),
    # arrays and tables
    "npz_header_of_4_gib": BadFile(_npz_with_long_header, "npz_array_damaged", "x_train"),
    "parquet_huge_dictionary": BadFile(_huge_cell, "zip_bomb", "image"),
    "parquet_huge_dictionary_that_lies": BadFile(
        lambda: _with_lying_sizes(_huge_cell()), "member_too_large", "image[0]"
    ),
    "parquet_page_that_declares_more": BadFile(_page_that_declares_more, "parquet_damaged"),
    # other archives
    "tar": BadFile(_tar, "not_an_archive"),
    "tar_with_a_zip_behind": BadFile(lambda: _tar() + zip_of(folder()), "zip_damaged"),
    "zip_with_a_tar_behind": BadFile(lambda: zip_of(folder()) + _tar(), "zip_damaged"),
}
