"""The way in: an uploaded archive becomes the canonical form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from worker.layouts.canonical import SPLITS, CanonicalWriter, DatasetSummary, load_canonical
from worker.layouts.cifar import is_cifar, plan_cifar, read_cifar
from worker.layouts.findings import Findings
from worker.layouts.folder_plan import plan_folder
from worker.layouts.idx import is_idx, plan_idx, read_idx
from worker.layouts.image import strict_decoder
from worker.layouts.image_folder import read_folder
from worker.layouts.limits import Limits
from worker.layouts.npz import is_npz, plan_npz, read_npz
from worker.layouts.numbered import NumberedPlan
from worker.layouts.parquet import plan_parquet, read_parquet
from worker.layouts.parquet_file import ParquetReader, is_parquet
from worker.layouts.problem import BadDataset
from worker.layouts.progress import OnProgress, Progress
from worker.layouts.zip_directory import Member
from worker.layouts.zip_reader import ZipReader


def read_archive(
    archive: Path,
    out: Path,
    limits: Limits,
    on_progress: OnProgress,
    on_member: Callable[[str], None] = lambda _name: None,
) -> DatasetSummary:
    """Read an uploaded dataset into the folder `out`, in canonical form.

    What it is, is told by its content: file name and media type do not count. Nothing is unpacked
    to disk, memory holds one image. Nothing of it is left in `out` when it raises.

    This runs image decoders on whatever was uploaded: production code calls `read_in_sandbox`.

    Args:
        archive: a zip of an image folder, of MNIST's IDX files or of CIFAR-10's binary version, an
            npz, or a parquet file.
        out: folder for the canonical form; made if need be, files of the same names replaced.
        limits: caps on everything.
        on_progress: called with (images done, images in all) at most five times a second.
        on_member: called with the name of each member before it is decoded.

    Raises:
        BadDataset: the archive cannot become a dataset; its report names every file at fault.
        OSError: the disk failed, not the upload.
    """
    findings = Findings()
    try:
        if is_parquet(archive):
            with ParquetReader(archive) as table:
                _read_parquet(table, out, limits, on_progress, on_member, findings)
        else:
            with ZipReader(archive, limits, findings) as source:
                _read_zip(source, out, limits, on_progress, on_member, findings)
    except BadDataset as problem:
        whole = findings.concluded_by(problem)
        if whole is problem:
            raise
        raise whole from problem
    return load_canonical(out).summary


def _read_parquet(
    source: ParquetReader,
    out: Path,
    limits: Limits,
    on_progress: OnProgress,
    on_member: Callable[[str], None],
    findings: Findings,
) -> None:
    plan = plan_parquet(source, limits, findings)
    counts = {split: len(plan.numbered.labels_of(split)) for split in SPLITS}
    with CanonicalWriter(out, counts, limits) as writer, strict_decoder():
        progress = Progress(on_progress, sum(counts.values()))
        read_parquet(source, plan, writer, limits, progress, on_member, findings)


def _read_zip(
    source: ZipReader,
    out: Path,
    limits: Limits,
    on_progress: OnProgress,
    on_member: Callable[[str], None],
    findings: Findings,
) -> None:
    for layout in _ARRAYS:
        if layout.is_it(source.members):
            layout.run(source, out, limits, on_progress, on_member, findings)
            return
    plan = plan_folder(source.members, limits, findings)
    counts = {split: sum(plan.counts()[split].values()) for split in SPLITS}
    with CanonicalWriter(out, counts, limits) as writer, strict_decoder():
        progress = Progress(on_progress, sum(counts.values()))
        read_folder(source, plan, writer, limits, progress, on_member, findings)


class _Numbered(Protocol):
    @property
    def numbered(self) -> NumberedPlan: ...


Plan = TypeVar("Plan", bound=_Numbered)


@dataclass(frozen=True)
class _Arrays(Generic[Plan]):
    """A layout whose images are rows of arrays, in members of a zip."""

    is_it: Callable[[Sequence[Member]], bool]
    plan: Callable[[ZipReader, Limits, Findings], Plan]
    read: Callable[[ZipReader, Plan, CanonicalWriter, Progress, Callable[[str], None]], None]

    def run(
        self,
        source: ZipReader,
        out: Path,
        limits: Limits,
        on_progress: OnProgress,
        on_member: Callable[[str], None],
        findings: Findings,
    ) -> None:
        plan = self.plan(source, limits, findings)
        counts = {split: len(plan.numbered.labels_of(split)) for split in SPLITS}
        with CanonicalWriter(out, counts, limits) as writer:
            progress = Progress(on_progress, sum(counts.values()))
            self.read(source, plan, writer, progress, on_member)


_ARRAYS: tuple[_Arrays[Any], ...] = (
    _Arrays(is_npz, plan_npz, read_npz),
    _Arrays(is_idx, plan_idx, read_idx),
    _Arrays(is_cifar, plan_cifar, read_cifar),
)
