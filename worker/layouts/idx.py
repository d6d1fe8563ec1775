"""MNIST's IDX files in a zip, each gzipped or not.

`train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz`, and for a test part the same with
`t10k`. A file is a header of big-endian numbers (two zero bytes, the type 8 for unsigned bytes, the
number of dimensions, the length of each) and then its bytes.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.layouts.binary_files import (
    BinaryFile,
    damaged,
    exactly,
    find_files,
    missing,
    too_many_images,
)
from worker.layouts.canonical import CanonicalWriter, Labels, Split
from worker.layouts.findings import Findings
from worker.layouts.labels import check_test_labels, check_train_labels
from worker.layouts.limits import Limits
from worker.layouts.numbered import NumberedPlan, Source, plan_numbered, read_numbered, records
from worker.layouts.problem import BadDataset, Code
from worker.layouts.progress import Progress
from worker.layouts.zip_directory import Member
from worker.layouts.zip_reader import CHUNK, ZipReader

_NAME: Final = re.compile(r"(train|t10k)-(images|labels)[-.]idx([13])-ubyte(\.gz)?")
_ANYWHERE: Final = re.compile(rf"([^/]+/)?{_NAME.pattern}")
_EXPECTED: Final = (
    "Expected are train-images-idx3-ubyte and train-labels-idx1-ubyte, for a test part the same "
    "with t10k, each with .gz or without."
)
_SPLITS: Final[dict[str, Split]] = {"train": "train", "t10k": "test"}
_UNSIGNED_BYTE: Final = 8
_GZIP: Final = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class IdxFile:
    """One file by its header.

    Attributes:
        file: where it lies.
        shape: (N, H, W) of images, (N,) of labels.
    """

    file: BinaryFile
    shape: tuple[int, ...]

    @property
    def split(self) -> Split:
        return _SPLITS[self.file.match[1]]

    @property
    def header_bytes(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def header(self) -> bytes:
        return struct.pack(
            f">HBB{len(self.shape)}I", 0, _UNSIGNED_BYTE, len(self.shape), *self.shape
        )

    @property
    def size(self) -> int:
        """Bytes, header included, once unpacked."""
        return self.header_bytes + int(np.prod(self.shape, dtype=object))


@dataclass(frozen=True, slots=True)
class IdxPlan:
    """The plan, and the files of images by name."""

    numbered: NumberedPlan
    images: dict[str, IdxFile]


def is_idx(members: Sequence[Member]) -> bool:
    """Whether this zip holds IDX files: one is enough to say so."""
    return any(_ANYWHERE.fullmatch(member.name) for member in members)


def plan_idx(archive: ZipReader, limits: Limits, findings: Findings) -> IdxPlan:
    """Check all headers and the labels, before any pixel is read.

    Raises:
        BadDataset: `binary_file_unknown`, `binary_file_missing`, `binary_file_damaged`,
            `images_not_uint8`, `images_shape`, `image_too_small`, `image_too_large`, `zip_bomb`,
            `no_images`, `shape_mismatch`, `label_count_mismatch`, `too_many_images`, and what
            `check_train_labels` and `ZipReader.pieces` raise.
    """
    files: dict[tuple[Split, str], IdxFile] = {}
    for file in find_files(archive.members, _NAME, _EXPECTED, findings):
        with findings.collect():
            found = inspect_idx(archive, file, limits)
            if (found.split, file.match[2]) in files:
                raise BadDataset(
                    "binary_file_unknown", "This file is there twice. Remove one.", file.name
                )
            files[found.split, file.match[2]] = found
    findings.raise_any()
    splits: list[Split] = ["train"]
    if ("test", "images") in files or ("test", "labels") in files:
        splits.append("test")
    for split in splits:
        for what, dimensions in (("images", 3), ("labels", 1)):
            if (split, what) not in files:
                word = "train" if split == "train" else "t10k"
                findings.add(missing(f"{word}-{what}-idx{dimensions}-ubyte", _EXPECTED))
    findings.raise_any()
    images = {split: files[split, "images"] for split in splits}
    label_files = {split: files[split, "labels"] for split in splits}
    for split in splits:
        _check_pair(images["train"], images[split], label_files[split])
    if sum(images[split].shape[0] for split in splits) > limits.max_images:
        raise too_many_images(limits, images["train"].file.name)
    labels: dict[Split, Labels] = {
        split: np.frombuffer(b"".join(idx_bytes(archive, label_files[split])), np.uint8).astype(
            np.int64
        )
        for split in splits
    }
    count = check_train_labels(labels["train"], limits, label_files["train"].file.name)
    if "test" in labels:
        check_test_labels(labels["test"], count, label_files["test"].file.name)
    sources = [Source(images[s].file.name, s, images[s].shape[0]) for s in splits]
    return IdxPlan(
        plan_numbered("mnist_idx", sources, labels, [str(label) for label in range(count)]),
        {images[split].file.name: images[split] for split in splits},
    )


def read_idx(
    archive: ZipReader,
    plan: IdxPlan,
    writer: CanonicalWriter,
    progress: Progress,
    on_member: Callable[[str], None],
) -> None:
    """Stream the pixels of `plan` into `writer` and finish it.

    Raises:
        BadDataset: `dataset_too_large`, `binary_file_damaged`, and what `ZipReader.pieces` raises.
    """

    def rows_of(source: Source) -> Iterator[NDArray[np.uint8]]:
        file = plan.images[source.name]
        _, height, width = file.shape
        for rows in records(idx_bytes(archive, file), height * width):
            yield rows.reshape(-1, height, width, 1)

    read_numbered(plan.numbered, rows_of, writer, progress, on_member, [])


def is_image_file(name: str) -> bool:
    """Whether a member of an IDX upload holds training images."""
    match = _ANYWHERE.fullmatch(name)
    return match is not None and match.group(2, 3) == ("train", "images")


def read_idx_header(archive: ZipReader, member: Member) -> IdxFile:
    """The header of a file of images that has been read before."""
    match = _NAME.fullmatch(member.name.rpartition("/")[2])
    if match is None:
        raise ValueError(f"{member.name!r} is no file of images")
    return inspect_idx(archive, BinaryFile(member, match), Limits().for_own_output())


def inspect_idx(archive: ZipReader, file: BinaryFile, limits: Limits) -> IdxFile:
    """Read and check the header of one file.

    Raises:
        BadDataset: as `plan_idx`.
    """
    dimensions = 3 if file.match[2] == "images" else 1
    start = b""
    for piece in _unpacked(archive, file):
        start += piece
        if len(start) >= 16:
            break
    if len(start) < 4 + 4 * dimensions:
        raise damaged("ends within its header", file.name)
    zero, kind, count = struct.unpack_from(">HBB", start)
    if zero or count != dimensions or file.match[3] != str(dimensions):
        raise damaged("has not the header of its name", file.name)
    if kind != _UNSIGNED_BYTE:
        raise BadDataset(
            "images_not_uint8",
            f"The file holds numbers of type {kind:#x}; only unsigned bytes (0x8) are read.",
            file.name,
        )
    found = IdxFile(file, struct.unpack_from(f">{dimensions}I", start, 4))
    if not found.shape[0]:
        raise BadDataset("no_images", "The file is empty. Add images, or remove it.", file.name)
    code: Code | None = None
    if dimensions == 3:
        _, height, width = found.shape
        if min(height, width) < limits.min_side:
            code = "image_too_small"
        if max(height, width) > limits.max_side or height * width > limits.max_pixels:
            code = "image_too_large"
    if code is not None:
        raise BadDataset(
            code,
            f"Images are {found.shape[2]:,} x {found.shape[1]:,} pixels; a side needs "
            f"{limits.min_side} to {limits.max_side:,}, an image at most {limits.max_pixels:,}. "
            "Resize them.",
            file.name,
        )
    if found.size > max(limits.ratio_floor_bytes, limits.max_ratio * file.member.packed):
        raise BadDataset(
            "zip_bomb",
            f"The file's {file.member.packed:,} bytes would unpack to {found.size:,}, more than "
            f"{limits.max_ratio} times as many. Upload images, not padding.",
            file.name,
        )
    return found


def idx_bytes(archive: ZipReader, file: IdxFile) -> Iterator[bytes]:
    """The bytes after the header, exactly as many as it declares."""
    skip = file.header_bytes
    for piece in exactly(_unpacked(archive, file.file), file.size, file.file.name):
        yield piece[skip:]
        skip = max(0, skip - len(piece))


def written_again(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of a file as its name wants them: gzipped (no name, no time), or as they are."""
    if not name.endswith(".gz"):
        yield from pieces
        return
    stream = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        yield stream.compress(piece)
    yield stream.flush()


def _unpacked(archive: ZipReader, file: BinaryFile) -> Iterator[bytes]:
    pieces = archive.pieces(file.member)
    if not file.name.endswith(".gz"):
        yield from pieces
        return
    stream = zlib.decompressobj(_GZIP)
    for piece in pieces:
        rest = piece
        while rest and not stream.eof:
            try:
                out = stream.decompress(rest, CHUNK)
            except zlib.error as error:
                raise damaged("cannot be unpacked by gzip", file.name) from error
            rest = stream.unconsumed_tail
            yield out
        while not stream.eof and len(out := stream.decompress(b"", CHUNK)):
            yield out
        if stream.unused_data or (stream.eof and rest):
            raise damaged("has bytes after the end of its gzip stream", file.name)
    if not stream.eof:
        raise damaged("ends within its gzip stream", file.name)


def _check_pair(train: IdxFile, images: IdxFile, labels: IdxFile) -> None:
    if images.shape[1:] != train.shape[1:]:
        raise BadDataset(
            "shape_mismatch",
            f"Images are {images.shape[2]} x {images.shape[1]} pixels, those of "
            f"{train.file.name} {train.shape[2]} x {train.shape[1]}. Resize them.",
            images.file.name,
        )
    if images.shape[0] != labels.shape[0]:
        raise BadDataset(
            "label_count_mismatch",
            f"There are {labels.shape[0]:,} labels for the {images.shape[0]:,} images of "
            f"{images.file.name}. Give every image one label.",
            labels.file.name,
        )
