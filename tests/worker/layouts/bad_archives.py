"""Archives that lie, climb, overlap, burst or are none."""

import gzip
import io
import stat
import struct
import tarfile
import zlib
from typing import Any

from tests.worker.layouts.bad_file import BadFile
from tests.worker.layouts.good_files import arrays, folder, folder_with, gray, image, pixels, zipped
from tests.worker.layouts.zip_builder import DEFLATED, Entry, build_zip

FIRST = "train/a/0.png"
_GIB = 1 << 30


def _entries(*first: Entry) -> list[Entry]:
    """The smallest dataset after some other members."""
    return [*first, *(Entry(name, data) for name, data in folder().items())]


def _named(name: str | bytes, **fields: Any) -> bytes:
    return build_zip(_entries(Entry(name, gray(), **fields)))


def _zeros(count: int) -> bytes:
    """A deflate stream of `count` zeros, made of one MiB again and again: a thousandth as long."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH)
    return block * (count >> 20) + stream.flush()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(FIRST)
        info.size = len(gray())
        archive.addfile(info, io.BytesIO(gray()))
    return buffer.getvalue()


def _overlapping() -> bytes:
    """Two names for the bytes of one member."""
    return build_zip(_entries(Entry(FIRST.replace("0", "9"), gray(), offset=0)))


def _quoting() -> bytes:
    """A zip bomb after David Fifield: each member's bytes begin with the next one's header."""
    kernel = Entry("train/b/9.png", gray())
    inner = kernel.local()
    outer = Entry("train/a/9.png", inner + b"", packed=inner)
    kernel.offset = len(outer.local()) - len(inner)
    return build_zip([outer, kernel])


def _long_local_header() -> bytes:
    """A member whose local header is so long that its bytes would lie in the next member."""
    entries = _entries()
    body = bytearray(build_zip(entries))
    struct.pack_into("<H", body, 28, 60)
    return bytes(body)


def _million_members() -> bytes:
    """A true central directory of a million records, 53 MB."""
    record = struct.Struct("<4s6H3L5H2L7s")
    records = b"".join(
        record.pack(
            *(b"PK\x01\x02", 0, 20, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0),
            b"%07d" % number,
        )
        for number in range(1_000_000)
    )
    end64 = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1_000_000, 1_000_000, len(records), 0
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(records), 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return records + end64 + locator + end


def _wrong_zip64() -> bytes:
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    return build_zip(_entries(), before_end=locator)


BAD_ARCHIVES: dict[str, BadFile] = {
    # no zip
    "empty_file": BadFile(lambda: b"", "not_an_archive"),
    "text": BadFile(lambda: b"hello, this is my dataset\n" * 100, "not_an_archive"),
    "one_image": BadFile(gray, "not_an_archive"),
    "tar_gz": BadFile(_tar, "not_an_archive"),
    "gzip": BadFile(lambda: gzip.compress(zipped(folder())), "not_an_archive"),
    "array_without_archive": BadFile(lambda: b"\x93NUMPY" + bytes(200), "not_an_archive"),
    # cut and damaged
    "half_a_zip": BadFile(lambda: zipped(folder())[:400], "zip_truncated"),
    "zip_without_last_byte": BadFile(lambda: zipped(folder())[:-1], "zip_damaged"),
    "bytes_after_the_end": BadFile(lambda: zipped(folder()) + b"x", "zip_damaged"),
    "bytes_before_the_zip": BadFile(lambda: b"x" * 99 + zipped(folder()), "zip_damaged"),
    "one_part_of_many": BadFile(lambda: build_zip(_entries(), disk=1), "zip_damaged"),
    "fewer_members_than_declared": BadFile(lambda: build_zip(_entries(), count=500), "zip_damaged"),
    "more_members_than_declared": BadFile(lambda: build_zip(_entries(), count=2), "zip_damaged"),
    "directory_elsewhere": BadFile(lambda: build_zip(_entries(), directory_at=4), "zip_damaged"),
    "zip64_end_elsewhere": BadFile(_wrong_zip64, "zip_damaged"),
    "zip64_size_missing": BadFile(
        lambda: _named("train/a/9.png", size=0xFFFFFFFF), "zip_damaged", "train/a/9.png"
    ),
    "wrong_checksum": BadFile(
        lambda: _named("train/a/9.png", crc=1), "zip_damaged", "train/a/9.png"
    ),
    "broken_deflate": BadFile(
        lambda: build_zip(_entries(Entry("train/a/9.png", gray(), DEFLATED, packed=b"\xff" * 50))),
        "zip_damaged",
        "train/a/9.png",
    ),
    "deflate_without_end": BadFile(
        lambda: build_zip(
            _entries(Entry("train/a/9.png", bytes(99), DEFLATED, packed=_zeros(0)[:1]))
        ),
        "zip_damaged",
        "train/a/9.png",
    ),
    "bytes_after_deflate": BadFile(
        lambda: build_zip(
            _entries(Entry("train/a/9.png", bytes(1 << 20), DEFLATED, packed=_zeros(1 << 20) * 2))
        ),
        "zip_damaged",
        "train/a/9.png",
    ),
    "another_local_name": BadFile(
        lambda: build_zip(_entries(Entry("train/a/9.png", gray(), local_name=b"train/b/9.png"))),
        "zip_damaged",
        "train/a/9.png",
    ),
    "no_local_header": BadFile(lambda: b"PK\0\0" + build_zip(_entries())[4:], "zip_damaged", FIRST),
    "offset_within_another": BadFile(
        lambda: build_zip([Entry("train/a/9.png", gray(), offset=3), *_entries()]),
        "zip_overlapping_members",
        "train/a/9.png",
    ),
    "offset_after_the_end": BadFile(
        lambda: build_zip([Entry("train/a/9.png", gray(), offset=1 << 30), *_entries()]),
        "zip_overlapping_members",
        "train/a/9.png",
    ),
    "folder_with_bytes": BadFile(lambda: _named("train/a/"), "zip_damaged", "train/a/"),
    "stored_size_lies": BadFile(
        lambda: _named("train/a/9.png", size=5), "zip_damaged", "train/a/9.png"
    ),
    # not read
    "encrypted": BadFile(
        lambda: _named("train/a/9.png", flags=1), "zip_encrypted", "train/a/9.png"
    ),
    "encrypted_by_local_header": BadFile(
        lambda: _named("train/a/9.png", local_flags=1), "zip_encrypted", "train/a/9.png"
    ),
    "strongly_encrypted": BadFile(
        lambda: _named("train/a/9.png", flags=1 << 6), "zip_encrypted", "train/a/9.png"
    ),
    "lzma": BadFile(
        lambda: _named("train/a/9.png", method=14),
        "zip_compression_unsupported",
        "train/a/9.png",
    ),
    # names
    "parent_folder": BadFile(
        lambda: _named("train/../../evil.png"), "zip_unsafe_name", "train/../../evil.png"
    ),
    "absolute": BadFile(lambda: _named("/etc/evil.png"), "zip_unsafe_name", "/etc/evil.png"),
    "drive": BadFile(lambda: _named("C:/a/0.png"), "zip_unsafe_name", "C:/a/0.png"),
    "backslash": BadFile(lambda: _named("train\\a\\0.png"), "zip_unsafe_name", "train\\a\\0.png"),
    "zero_byte_in_name": BadFile(
        lambda: _named("train/a/0.png\0.txt"), "zip_unsafe_name", "train/a/0.png\ufffd.txt"
    ),
    "terminal_escape_in_name": BadFile(
        lambda: _named("train/a/\x1b[2J.png"), "zip_unsafe_name", "train/a/\ufffd[2J.png"
    ),
    "empty_part": BadFile(lambda: _named("train//0.png"), "zip_unsafe_name", "train//0.png"),
    "nameless": BadFile(lambda: _named(""), "zip_unsafe_name", ""),
    "endless_name": BadFile(
        lambda: _named("train/a/" + "x" * 5000),
        "zip_unsafe_name",
        "train/a/" + "x" * 191 + "…",
    ),
    "false_utf8": BadFile(
        lambda: _named(b"train/a/\xff.png", flags=1 << 11), "zip_unsafe_name", "train/a/\ufffd.png"
    ),
    "same_name_twice": BadFile(lambda: _named(FIRST), "zip_duplicate_name", FIRST),
    "symbolic_link": BadFile(
        lambda: _named("train/a/9.png", attributes=stat.S_IFLNK | 0o777),
        "zip_special_member",
        "train/a/9.png",
    ),
    "pipe": BadFile(
        lambda: _named("train/a/9.png", attributes=stat.S_IFIFO),
        "zip_special_member",
        "train/a/9.png",
    ),
    "file_that_is_a_folder": BadFile(
        lambda: _named("train/a/9.png", attributes=stat.S_IFDIR),
        "zip_special_member",
        "train/a/9.png",
    ),
    # bombs
    "overlapping": BadFile(_overlapping, "zip_overlapping_members", "train/a/9.png"),
    "overlapping_by_quotation": BadFile(_quoting, "zip_overlapping_members", "train/a/9.png"),
    "overlapping_by_long_header": BadFile(_long_local_header, "zip_overlapping_members", FIRST),
    "bomb": BadFile(
        lambda: build_zip(
            _entries(
                Entry(
                    "train/a/9.png",
                    method=DEFLATED,
                    packed=_zeros(3 * _GIB),
                    size=3 * _GIB,
                )
            )
        ),
        "zip_bomb",
        "train/a/9.png",
    ),
    "bomb_that_declares_little": BadFile(
        lambda: build_zip(
            _entries(Entry("train/a/9.png", method=DEFLATED, packed=_zeros(3 * _GIB), size=100))
        ),
        "zip_damaged",
        "train/a/9.png",
    ),
    "million_members": BadFile(_million_members, "too_many_members"),
    "zip_in_zip": BadFile(
        lambda: folder_with("train/a/9.png", zipped(folder())), "not_an_image", "train/a/9.png"
    ),
    # layout
    "empty_zip": BadFile(lambda: build_zip([]), "no_images"),
    "folders_only": BadFile(lambda: zipped({"train/": b"", "train/a/": b""}), "no_images"),
    "images_without_folders": BadFile(
        lambda: zipped({"0.png": gray(), "1.png": gray()}), "layout_unknown", "0.png"
    ),
    "readme_beside": BadFile(
        lambda: folder_with("README.md", b"# Photos"), "layout_unknown", "README.md"
    ),
    "too_deep": BadFile(
        lambda: folder_with("train/a/more/9.png", gray()), "layout_unknown", "train/a/more/9.png"
    ),
    "validation_split": BadFile(
        lambda: folder_with("val/a/9.png", gray()), "layout_unknown", "val/a/9.png"
    ),
    "empty_validation_split": BadFile(lambda: folder_with("val/", b""), "layout_unknown", "val/"),
    "two_datasets": BadFile(
        lambda: zipped({f"one/{name}": data for name, data in folder().items()} | folder()),
        "layout_unknown",
        "one/train/a/0.png",
    ),
    "test_only": BadFile(
        lambda: zipped({n: d for n, d in folder().items() if n.startswith("test")}),
        "train_missing",
        "test/a/",
    ),
    "test_class_without_training_images": BadFile(
        lambda: folder_with("test/c/0.png", gray()), "test_class_unknown", "test/c/"
    ),
    "one_class": BadFile(
        lambda: zipped({f"a/{i}.png": gray(i) for i in range(5)}), "one_class_only", "a/"
    ),
    "one_class_with_split": BadFile(
        lambda: zipped({n: d for n, d in folder().items() if "/a/" in n}),
        "one_class_only",
        "train/a/",
    ),
    "class_with_one_image": BadFile(
        lambda: folder_with("train/c/0.png", gray()), "class_too_small", "train/c/"
    ),
    "class_with_one_image_without_split": BadFile(
        lambda: zipped({"p/a/0.png": gray(), "p/a/1.png": gray(), "p/b/0.png": gray()}),
        "class_too_small",
        "p/b/",
    ),
    "class_without_images": BadFile(
        lambda: folder_with("train/c/", b""), "class_too_small", "train/c/"
    ),
    "mixed_sizes": BadFile(
        lambda: folder_with("train/a/9.png", gray(side=9)), "mixed_sizes", "train/a/9.png"
    ),
    "mixed_sizes_by_rotation": BadFile(
        lambda: zipped(
            {"a/0.png": image(pixels(8, 9)), "a/1.png": image(pixels(9, 8))}
            | {f"b/{i}.png": image(pixels(8, 9)) for i in range(2)}
        ),
        "mixed_sizes",
        "a/1.png",
    ),
    "array_in_image_folder": BadFile(
        lambda: folder_with("labels.npy", arrays()), "layout_unknown", "labels.npy"
    ),
}
