"""CIFAR-10's binary version in a zip: records of a label and 3 x 32 x 32 bytes.

`data_batch_1.bin` and so on, for a test part `test_batch.bin`, and for the names of the classes
`batches.meta.txt`, one a line.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker.layouts.binary_files import BinaryFile, damaged, find_files, missing, too_many_images
from worker.layouts.canonical import SPLITS, CanonicalWriter, Labels, Split
from worker.layouts.findings import Findings
from worker.layouts.image import Pixels
from worker.layouts.labels import check_test_labels, check_train_labels
from worker.layouts.limits import Limits
from worker.layouts.numbered import NumberedPlan, Source, plan_numbered, read_numbered, records
from worker.layouts.problem import BadDataset
from worker.layouts.progress import Progress
from worker.layouts.zip_directory import Member
from worker.layouts.zip_reader import ZipReader

SIDE: Final = 32
CHANNELS: Final = 3
RECORD: Final = 1 + CHANNELS * SIDE * SIDE
"""Bytes of a label and its image."""

_NAME: Final = re.compile(
    r"(?:(data_batch_\d{1,3}|test_batch)\.bin|batches\.meta\.txt|readme\.html)"
)
_ANYWHERE: Final = re.compile(r"(?:[^/]+/)?(?:data_batch_\d{1,3}|test_batch)\.bin")
_EXPECTED: Final = (
    "Expected are data_batch_1.bin, data_batch_2.bin and so on, for a test part test_batch.bin, "
    "and batches.meta.txt with the names of the classes."
)
_MOST_META_BYTES: Final = 64 * 1024
_README: Final = "readme.html"


@dataclass(frozen=True, slots=True)
class CifarPlan:
    """The plan, and the batches by name."""

    numbered: NumberedPlan
    batches: dict[str, BinaryFile]
    notes: list[str]


def is_cifar(members: Sequence[Member]) -> bool:
    """Whether this zip holds batches: one is enough to say so."""
    return any(_ANYWHERE.fullmatch(member.name) for member in members)


def is_training_batch(name: str) -> bool:
    """Whether a member of a CIFAR-10 upload holds training images."""
    return name.rpartition("/")[2].startswith("data_batch_")


def is_left_out(name: str) -> bool:
    """Whether a member is no part of the dataset, and is not written back."""
    return name.rpartition("/")[2] == _README


def plan_cifar(archive: ZipReader, limits: Limits, findings: Findings) -> CifarPlan:
    """Check names, sizes and labels, before any pixel is kept.

    Raises:
        BadDataset: `binary_file_unknown`, `binary_file_missing`, `binary_file_damaged`,
            `no_images`, `too_many_images`, and what `check_train_labels` and `ZipReader.pieces`
            raise.
    """
    batches: dict[Split, list[BinaryFile]] = {"train": [], "test": []}
    meta: BinaryFile | None = None
    notes: list[str] = []
    for file in find_files(archive.members, _NAME, _EXPECTED, findings):
        if file.match[1] is not None:
            batches["train" if is_training_batch(file.name) else "test"].append(file)
            with findings.collect():
                _check_size(file)
        elif is_left_out(file.name):
            notes.append(f"{file.name} was ignored and is left out of the written dataset.")
        else:
            meta = file
    if not batches["train"]:
        findings.add(missing("data_batch_1.bin", _EXPECTED))
    findings.raise_any()
    files = [(split, file) for split in SPLITS for file in batches[split]]
    if sum(file.member.size for _, file in files) // RECORD > limits.max_images:
        raise too_many_images(limits, files[0][1].name)
    labels: dict[Split, Labels] = {
        split: np.concatenate([_labels_of(archive, file) for file in batches[split]])
        for split in SPLITS
        if batches[split]
    }
    count = check_train_labels(labels["train"], limits, batches["train"][0].name)
    if "test" in labels:
        check_test_labels(labels["test"], count, batches["test"][0].name)
    classes = [str(label) for label in range(count)]
    if meta is not None:
        classes = _class_names(archive, meta, count)
    sources = [Source(file.name, split, file.member.size // RECORD) for split, file in files]
    return CifarPlan(
        plan_numbered("cifar10_binary", sources, labels, classes),
        {file.name: file for _, file in files},
        notes,
    )


def read_cifar(
    archive: ZipReader,
    plan: CifarPlan,
    writer: CanonicalWriter,
    progress: Progress,
    on_member: Callable[[str], None],
) -> None:
    """Stream the pixels of `plan` into `writer` and finish it.

    Raises:
        BadDataset: `dataset_too_large`, and what `ZipReader.pieces` raises.
    """

    def rows_of(source: Source) -> Iterator[Pixels]:
        for batch in records(archive.pieces(plan.batches[source.name].member), RECORD):
            planes = batch[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE)
            yield planes.transpose(0, 2, 3, 1)

    read_numbered(plan.numbered, rows_of, writer, progress, on_member, plan.notes)


def batch_with(
    archive: ZipReader, member: Member, take: Callable[[int], Pixels]
) -> Iterator[bytes]:
    """The bytes of a batch with its labels and other pixels; `take` gives those of a row."""
    row = 0
    for batch in records(archive.pieces(member), RECORD):
        for record in batch:
            yield record[:1].tobytes() + take(row).transpose(2, 0, 1).tobytes()
            row += 1


def _check_size(file: BinaryFile) -> None:
    if not file.member.size:
        raise BadDataset("no_images", "The file is empty. Remove it.", file.name)
    if file.member.size % RECORD:
        raise damaged(
            f"has {file.member.size:,} bytes, which is no multiple of the {RECORD:,} of a record "
            "(CIFAR-100 and the Python version are not read)",
            file.name,
        )


def _labels_of(archive: ZipReader, file: BinaryFile) -> NDArray[np.int64]:
    return np.concatenate(
        [batch[:, 0].astype(np.int64) for batch in records(archive.pieces(file.member), RECORD)]
    )


def _class_names(archive: ZipReader, meta: BinaryFile, count: int) -> list[str]:
    if meta.member.size > _MOST_META_BYTES:
        raise damaged("is too long for a list of names", meta.name)
    try:
        text = archive.read(meta.member).decode()
    except UnicodeDecodeError as error:
        raise damaged("is no UTF-8 text", meta.name) from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) < count or len(set(names)) < len(names):
        raise damaged(
            f"names {len(set(names))} different classes and needs {count}, one a line", meta.name
        )
    if not all(name.isprintable() and len(name) <= 200 for name in names):
        raise damaged("has a name with control characters or of more than 200", meta.name)
    return names[:count]
