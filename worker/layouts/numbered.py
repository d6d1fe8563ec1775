"""What npz, MNIST IDX and CIFAR-10 binary share: rows of pixels, and labels that are numbers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.layouts.canonical import (
    SPLITS,
    CanonicalWriter,
    DatasetSummary,
    Labels,
    Layout,
    Split,
    TestSplit,
)
from worker.layouts.image import Pixels
from worker.layouts.notes import cut_note, given_note
from worker.layouts.progress import Progress
from worker.layouts.split import cut_test


@dataclass(frozen=True, slots=True)
class Source:
    """One array or file of images: its name, the split it is uploaded as, and its rows."""

    name: str
    split: Split
    count: int


@dataclass(frozen=True, slots=True)
class NumberedPlan:
    """What headers and labels tell: everything but the pixels.

    Attributes:
        layout: how the dataset was uploaded.
        sources: in the order in which they are read.
        labels: int64 (N,) by split of the upload, in the order of the sources.
        in_test: bool (N,) over the training images, those that `cut_test` sets aside; all false
            when the test part came with the upload.
        classes: names in label order.
    """

    layout: Layout
    sources: list[Source]
    labels: dict[Split, Labels]
    in_test: NDArray[np.bool_]
    classes: list[str]

    @property
    def test_split(self) -> TestSplit:
        return "given" if "test" in self.labels else "cut"

    def labels_of(self, split: Split) -> Labels:
        """The labels of a split after the cut."""
        if self.test_split == "given":
            return self.labels[split]
        return self.labels["train"][self.in_test if split == "test" else ~self.in_test]

    def names_of(self, split: Split) -> list[str]:
        """The names of the images of a split after the cut."""
        given = self.test_split == "given"
        names = [
            row_name(source.name, row)
            for source in self.sources
            if source.split == (split if given else "train")
            for row in range(source.count)
        ]
        if given:
            return names
        kept = self.in_test if split == "test" else ~self.in_test
        return [names[row] for row in np.flatnonzero(kept).tolist()]

    def counts(self) -> dict[Split, dict[str, int]]:
        found = {
            split: np.bincount(self.labels_of(split), minlength=len(self.classes)).tolist()
            for split in SPLITS
        }
        return {split: dict(zip(self.classes, found[split], strict=True)) for split in SPLITS}


def plan_numbered(
    layout: Layout, sources: list[Source], labels: dict[Split, Labels], classes: list[str]
) -> NumberedPlan:
    """The plan, with a test part cut if `labels` has none."""
    train = labels["train"]
    cut = np.zeros(len(train), np.bool_) if "test" in labels else cut_test(train)
    return NumberedPlan(layout, sources, labels, cut, classes)


def read_numbered(
    plan: NumberedPlan,
    rows_of: Callable[[Source], Iterable[Pixels]],
    writer: CanonicalWriter,
    progress: Progress,
    on_member: Callable[[str], None],
    notes: list[str],
) -> None:
    """Stream the pixels of `plan` into `writer` and finish it.

    Args:
        rows_of: the rows of a source, uint8 (n, H, W, C), some at a time.
        notes: sentences for the owner beside those on the split.

    Raises:
        BadDataset: `dataset_too_large`, and what `rows_of` raises.
    """
    done = 0
    for source in plan.sources:
        on_member(source.name)
        for rows in rows_of(source):
            if plan.test_split == "given":
                writer.add(source.split, rows, source.name)
            else:
                cut = plan.in_test[done : done + len(rows)]
                writer.add("train", rows[~cut], source.name)
                writer.add("test", rows[cut], source.name)
                done += len(rows)
            progress.add(len(rows))
    counts = plan.counts()
    given = plan.test_split == "given"
    writer.finish(
        DatasetSummary(
            layout=plan.layout,
            classes=plan.classes,
            counts=counts,
            image_shape=writer.image_shape,
            test_split=plan.test_split,
            notes=[*notes, given_note() if given else cut_note(sum(counts["test"].values()))],
        ),
        {split: plan.names_of(split) for split in SPLITS},
        {split: plan.labels_of(split) for split in SPLITS},
    )


def row_name(source: str, row: int) -> str:
    """How one image of an array or file is called: "x_train[3]"."""
    return f"{source}[{row}]"


def records(pieces: Iterable[bytes], record_bytes: int) -> Iterator[NDArray[np.uint8]]:
    """Whole records uint8 (n, record_bytes) as they come; what is left over is dropped."""
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) // record_bytes
        if whole:
            yield np.frombuffer(rest, np.uint8, whole * record_bytes).reshape(whole, record_bytes)
            rest = rest[whole * record_bytes :]
