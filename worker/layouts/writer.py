"""The way out: the protected dataset in the layout in which it was uploaded."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from worker.layouts.canonical import Canonical, DatasetSummary, Split
from worker.layouts.cifar import batch_with, is_left_out, is_training_batch
from worker.layouts.folder_plan import is_system_file
from worker.layouts.idx import IdxFile, is_image_file, read_idx_header, written_again
from worker.layouts.image import Pixels, encode_png
from worker.layouts.npy import ArrayInfo, array_header, inspect_array
from worker.layouts.npz import IMAGES
from worker.layouts.numbered import row_name
from worker.layouts.parquet_writer import write_parquet
from worker.layouts.progress import OnProgress, Progress
from worker.layouts.zip_directory import DEFLATED, Member
from worker.layouts.zip_reader import ZipReader
from worker.layouts.zip_writer import write_member


def protected_name(summary: DatasetSummary) -> str:
    """What to call the written dataset: "protected" and the ending of its layout."""
    endings = {"npz": "npz", "parquet": "parquet"}
    return f"protected.{endings.get(summary.layout, 'zip')}"


def write_protected(
    archive: Path,
    canonical: Canonical,
    protected_train: Pixels,
    protected_test_cut: Pixels | None,
    out: Path,
    on_progress: OnProgress,
) -> None:
    """Write the upload again, with protected images in place of the clean ones.

    Same members in the same order under the same names, folders included. Training images are
    written as PNG bytes under their old names, a `.jpg` too: JPEG would move pixels beyond
    epsilon. Test images that came with the upload are copied byte for byte. If the test part was
    cut from the training images, its images are protected as well, since the owner publishes all
    of them. Arrays of an npz keep name, order, shape, dtype and compression; IDX files and CIFAR-10
    batches keep name, order and labels, a parquet file its columns, labels and paths. Dates,
    comments, extra fields and system files of the upload are left out. Equal input gives equal
    bytes.

    Args:
        archive: the upload that was read.
        canonical: what `read_archive` made of it.
        protected_train: uint8 (N, H, W, C), in the order of `canonical.train_images`.
        protected_test_cut: the same for `canonical.test_images` if the test part was cut; None if
            (or no rows) if it came with the upload.
        out: the file to write; it appears when it is complete.
        on_progress: called with (images done, images in all).

    Raises:
        ValueError: the arrays do not fit `canonical`, or `archive` is another upload.
    """
    rows = _Rows(canonical, protected_train, protected_test_cut)
    part = out.with_name(f"{out.name}.part")
    try:
        progress = Progress(on_progress, len(rows.untaken))
        if canonical.summary.layout == "parquet":
            _write_parquet(part, canonical, rows, progress)
        else:
            write = {
                "image_folder": _write_folder,
                "npz": _write_npz,
                "mnist_idx": _write_idx,
                "cifar10_binary": _write_cifar,
            }[canonical.summary.layout]
            with (
                ZipReader(archive, canonical.limits) as source,
                zipfile.ZipFile(part, "w") as target,
            ):
                write(source, target, rows, progress)
        if rows.untaken:
            raise ValueError(f"the archive lacks {len(rows.untaken)} images that were read")
        part.replace(out)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Rows:
    """The pixels to write, by the name of their image."""

    def __init__(self, canonical: Canonical, train: Pixels, test_cut: Pixels | None) -> None:
        is_cut = canonical.summary.test_split == "cut"
        has_rows = test_cut is not None and len(test_cut) > 0
        if is_cut != has_rows:
            raise ValueError("protected_test_cut goes with a test part that was cut, and only so")
        self._arrays: dict[Split, Pixels] = {"train": train}
        if test_cut is not None and has_rows:
            self._arrays["test"] = test_cut
        for split, array in self._arrays.items():
            clean = canonical.train_images if split == "train" else canonical.test_images
            if array.shape != clean.shape or array.dtype != np.uint8:
                raise ValueError(f"{split}: {array.dtype} {array.shape}, expected {clean.shape}")
        self.untaken = {
            name: (split, row)
            for split, names in canonical.names.items()
            for row, name in enumerate(names)
        }

    def take(self, name: str) -> Pixels | None:
        """uint8 (H, W, C), or None if the image is to be copied from the upload."""
        place = self.untaken.pop(name, None)
        if place is None:
            raise ValueError(f"{name!r} is not in the dataset that was read")
        split, row = place
        return self._arrays[split][row] if split in self._arrays else None

    def take_protected(self, name: str) -> Pixels:
        """uint8 (H, W, C) of an image that must have been protected."""
        pixels = self.take(name)
        if pixels is None:
            raise ValueError(f"no protected pixels for {name}")
        return pixels

    def pass_over(self, source: str, progress: Progress) -> None:
        """All rows of a file or array that is copied are done."""
        for name in [name for name in self.untaken if name.startswith(f"{source}[")]:
            self.take(name)
            progress.add()


def _write_folder(
    source: ZipReader, target: zipfile.ZipFile, rows: _Rows, progress: Progress
) -> None:
    for member in source.members:
        if is_system_file(member.name):
            continue
        if member.is_dir:
            _write(target, member, [b""], zipfile.ZIP_STORED)
            continue
        pixels = rows.take(member.name)
        # Image files do not deflate further.
        _write(
            target,
            member,
            source.pieces(member) if pixels is None else [encode_png(pixels)],
            zipfile.ZIP_STORED,
        )
        progress.add()


def _write_npz(source: ZipReader, target: zipfile.ZipFile, rows: _Rows, progress: Progress) -> None:
    for member in source.members:
        info = inspect_array(source, member)
        pieces = source.pieces(member)
        if info.name == IMAGES["train"]:
            pieces = _protected_array(info, rows, progress)
        elif info.name == IMAGES["test"]:
            rows.pass_over(info.name, progress)
        _write(target, member, pieces, _method(member))


def _protected_array(info: ArrayInfo, rows: _Rows, progress: Progress) -> Iterator[bytes]:
    yield array_header(info)
    for row in range(info.shape[0]):
        yield rows.take_protected(row_name(info.name, row)).tobytes()
        progress.add()


def _write_idx(source: ZipReader, target: zipfile.ZipFile, rows: _Rows, progress: Progress) -> None:
    for member in source.members:
        if is_system_file(member.name):
            continue
        pieces: Iterable[bytes] = source.pieces(member)
        if is_image_file(member.name):
            pieces = written_again(
                member.name, _protected_idx(read_idx_header(source, member), rows, progress)
            )
        elif not member.is_dir:
            rows.pass_over(member.name, progress)
        _write(target, member, pieces, _method(member))


def _protected_idx(file: IdxFile, rows: _Rows, progress: Progress) -> Iterator[bytes]:
    yield file.header
    for row in range(file.shape[0]):
        yield rows.take_protected(row_name(file.file.name, row)).tobytes()
        progress.add()


def _write_cifar(
    source: ZipReader, target: zipfile.ZipFile, rows: _Rows, progress: Progress
) -> None:
    for member in source.members:
        if is_system_file(member.name) or is_left_out(member.name):
            continue
        pieces: Iterable[bytes] = source.pieces(member)
        if is_training_batch(member.name):

            def take(row: int, name: str = member.name) -> Pixels:
                progress.add()
                return rows.take_protected(row_name(name, row))

            pieces = batch_with(source, member, take)
        elif not member.is_dir:
            rows.pass_over(member.name, progress)
        _write(target, member, pieces, _method(member))


def _write_parquet(path: Path, canonical: Canonical, rows: _Rows, progress: Progress) -> None:
    """The rows in the order of the upload: training and test part were cut from one column."""
    column = canonical.details["image"]
    labels = np.empty(len(rows.untaken), np.int64)
    for split, of_split in (
        ("train", canonical.train_labels),
        ("test", canonical.test_labels),
    ):
        for name, label in zip(
            canonical.names["train" if split == "train" else "test"], of_split, strict=True
        ):
            labels[int(name[len(column) + 1 : -1])] = label

    def images() -> Iterator[Pixels]:
        for row in range(len(labels)):
            yield rows.take_protected(row_name(column, row))
            progress.add()

    write_parquet(path, canonical.details, canonical.summary.classes, labels, images())


def _method(member: Member) -> int:
    return zipfile.ZIP_DEFLATED if member.method == DEFLATED else zipfile.ZIP_STORED


def _write(target: zipfile.ZipFile, member: Member, pieces: Iterable[bytes], method: int) -> None:
    write_member(target, member.name, pieces, method=method, size=member.size)
