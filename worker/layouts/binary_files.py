"""What MNIST IDX and CIFAR-10 binary share: known files in a zip, one folder around or none."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.layouts.findings import Findings
from worker.layouts.folder_plan import is_system_file
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset
from worker.layouts.zip_directory import Member


@dataclass(frozen=True, slots=True)
class BinaryFile:
    """One known file: its member, and what its name says."""

    member: Member
    match: re.Match[str]

    @property
    def name(self) -> str:
        return self.member.name


def find_files(
    members: Sequence[Member], pattern: re.Pattern[str], expected: str, findings: Findings
) -> list[BinaryFile]:
    """The files whose names match `pattern`, after at most one folder that is the same for all.

    Every other file is added to `findings`; folders and system files are passed over.

    Args:
        pattern: for the name without the folder.
        expected: a sentence that names the files of this layout.
    """
    files = [m for m in members if not m.is_dir and not is_system_file(m.name)]
    outer = _outer(files[0].name) if files else ""
    found = []
    for member in files:
        match = pattern.fullmatch(member.name.removeprefix(outer))
        if match is None or not member.name.startswith(outer):
            findings.add(
                BadDataset(
                    "binary_file_unknown",
                    f"This file does not belong here. {expected} Remove it.",
                    member.name,
                )
            )
        else:
            found.append(BinaryFile(member, match))
    return found


def _outer(name: str) -> str:
    folder, slash, _ = name.rpartition("/")
    return folder + slash if "/" not in folder else ""


def damaged(how: str, member: str) -> BadDataset:
    return BadDataset(
        "binary_file_damaged",
        f"The file {how}. Download or write it again.",
        member,
    )


def missing(what: str, expected: str) -> BadDataset:
    return BadDataset("binary_file_missing", f"The file is missing. {expected}", what)


def exactly(pieces: Iterator[bytes], size: int, member: str) -> Iterator[bytes]:
    """The pieces, refused unless they have `size` bytes together."""
    seen = 0
    for piece in pieces:
        seen += len(piece)
        if seen > size:
            raise damaged(f"has more than the {size:,} bytes that its header tells", member)
        yield piece
    if seen < size:
        raise damaged(f"has {seen:,} bytes and should have {size:,}", member)


def too_many_images(limits: Limits, member: str) -> BadDataset:
    return BadDataset(
        "too_many_images",
        f"At most {limits.max_images:,} images are read. Split the dataset into several uploads.",
        member,
    )
