"""Finds classes, splits and labels in the names of an archive, before any pixel is decoded.

`train/<class>/<image>` and `test/<class>/<image>`, or `<class>/<image>` without a split, each with
or without one folder around everything. Class names sort by code point, so that labels are those
that torchvision's ImageFolder gives.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worker.layouts.canonical import SPLITS, Split, TestSplit
from worker.layouts.findings import Findings
from worker.layouts.limits import Limits
from worker.layouts.notes import cut_note, given_note
from worker.layouts.problem import BadDataset
from worker.layouts.split import cut_test
from worker.layouts.zip_directory import Member

_SYSTEM_FILES: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_EXPECTED: Final = (
    "Expected are train/<class>/<image> and test/<class>/<image>, or <class>/<image> without a "
    "split, with at most one folder around everything."
)


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image file and where it goes."""

    member: Member
    split: Split
    label: int


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """What the names alone tell: everything but the pixels.

    Attributes:
        images: in the archive's order.
        classes: names in label order.
        test_split: whether the test part came with the upload.
        notes: sentences for the owner.
    """

    images: list[PlannedImage]
    classes: list[str]
    test_split: TestSplit
    notes: list[str]

    def counts(self) -> dict[Split, dict[str, int]]:
        found = Counter((image.split, image.label) for image in self.images)
        return {
            split: {name: found[split, label] for label, name in enumerate(self.classes)}
            for split in SPLITS
        }


def is_system_file(name: str) -> bool:
    """Whether an operating system left this member in the archive: ignored, never written back."""
    parts = name.removesuffix("/").split("/")
    return parts[0] == "__MACOSX" or parts[-1] in _SYSTEM_FILES or parts[-1].startswith("._")


def plan_folder(members: Sequence[Member], limits: Limits, findings: Findings) -> FolderPlan:
    """The plan for an archive of images in class folders.

    Files and folders that have no place in it are added to `findings`. Once there is one, the plan
    is only good for looking at the other images.

    Raises:
        BadDataset: `no_images`, `layout_unknown`, `train_missing`, `test_class_unknown`,
            `one_class_only`, `class_too_small`, `too_many_classes`, `too_many_images`.
    """
    ignored = [member.name for member in members if is_system_file(member.name)]
    kept = [member for member in members if not is_system_file(member.name)]
    files = [member for member in kept if not member.is_dir]
    if not files:
        raise BadDataset("no_images", f"The archive holds no image. {_EXPECTED}")
    if len(files) > limits.max_images:
        raise BadDataset(
            "too_many_images",
            f"The archive holds {len(files):,} images; at most {limits.max_images:,} are read. "
            "Split the dataset into several uploads.",
        )
    shape = _shape_of(files)
    files, places = _placed(shape, files, findings)
    _find_strays(shape, [member for member in kept if member.is_dir], places, findings)
    # Of an incomplete list of files nothing can be said about classes.
    if not findings:
        _check_classes(shape, places, limits, findings)
    if not files:
        findings.raise_any()
    classes = sorted({place.class_name for place in places})
    label_of = {name: label for label, name in enumerate(classes)}
    labels = np.array([label_of[place.class_name] for place in places], dtype=np.int64)
    notes = []
    if ignored:
        notes.append(
            f"{len(ignored)} system file(s) such as {ignored[0]} were ignored and are left out of "
            "the written dataset."
        )
    splits: list[Split] = [place.split for place in places]
    test_split: TestSplit = "given" if "test" in splits else "cut"
    if test_split == "cut":
        splits = ["test" if is_test else "train" for is_test in cut_test(labels)]
    images = [
        PlannedImage(member, split, int(label))
        for member, split, label in zip(files, splits, labels, strict=True)
    ]
    plan = FolderPlan(images, classes, test_split, notes)
    untested = [name for name, count in plan.counts()["test"].items() if not count]
    if untested:
        notes.append(
            f"{len(untested)} class(es) such as {untested[0]} have no test image: their accuracy "
            "is not measured."
        )
    notes.append(given_note() if test_split == "given" else cut_note(splits.count("test")))
    return plan


@dataclass(frozen=True, slots=True)
class _Place:
    split: Split
    class_name: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """How deep the class folders lie: an outer folder or not, split folders or not."""

    outer: tuple[str, ...]
    has_split: bool

    @property
    def depth(self) -> int:
        """Parts of the path of a class folder."""
        return len(self.outer) + self.has_split + 1

    def fits(self, parts: Sequence[str]) -> bool:
        """Whether this is the path of an image."""
        return len(parts) == self.depth + 1 and self.leads(parts)

    def leads(self, parts: Sequence[str]) -> bool:
        """Whether a path of any length keeps to the outer and split folders as far as it goes."""
        outer = len(self.outer)
        if tuple(parts[:outer]) != self.outer[: len(parts)]:
            return False
        return not self.has_split or len(parts) <= outer or parts[outer] in SPLITS

    def place(self, member: Member) -> _Place:
        parts = _parts(member)
        if not self.fits(parts):
            raise BadDataset(
                "layout_unknown",
                f"This file is not where an image is expected. {_EXPECTED} "
                "Move it or remove it from the archive.",
                member.name,
            )
        test = self.has_split and parts[len(self.outer)] == "test"
        return _Place("test" if test else "train", parts[self.depth - 1])

    def class_folder(self, place: _Place) -> str:
        parts = (*self.outer, *((place.split,) if self.has_split else ()), place.class_name)
        return "/".join(parts) + "/"


def _parts(member: Member) -> list[str]:
    return member.name.removesuffix("/").split("/")


def _shape_of(files: Sequence[Member]) -> _Shape:
    """The shape that most files have; `_Shape.place` refuses the others by name."""
    paths = [_parts(member) for member in files]
    tops = Counter(parts[0] for parts in paths if len(parts) > 2)
    outers = [(), *((top,) for top, _ in tops.most_common(1))]
    shapes = [_Shape(outer, has_split) for outer in outers for has_split in (True, False)]
    return max(shapes, key=lambda shape: sum(map(shape.fits, paths)))


def _placed(
    shape: _Shape, files: Sequence[Member], findings: Findings
) -> tuple[list[Member], list[_Place]]:
    """The files that have a place, and their places."""
    placed: list[Member] = []
    places: list[_Place] = []
    for member in files:
        with findings.collect():
            places.append(shape.place(member))
            placed.append(member)
    return placed, places


def _find_strays(
    shape: _Shape, folders: Sequence[Member], places: Sequence[_Place], findings: Findings
) -> None:
    """An empty class folder is a class without images; say so rather than drop it."""
    used = {shape.class_folder(place) for place in places}
    for folder in folders:
        parts = _parts(folder)
        is_class = len(parts) == shape.depth and folder.name not in used
        if not shape.leads(parts):
            findings.add(
                BadDataset(
                    "layout_unknown", f"This folder has no place here. {_EXPECTED}", folder.name
                )
            )
        elif is_class and not (shape.has_split and parts[len(shape.outer)] == "test"):
            findings.add(
                BadDataset(
                    "class_too_small",
                    "The class has no image. Add images or remove the folder.",
                    folder.name,
                )
            )


def _check_classes(
    shape: _Shape, places: Sequence[_Place], limits: Limits, findings: Findings
) -> None:
    train = Counter(place.class_name for place in places if place.split == "train")
    if not train:
        raise BadDataset(
            "train_missing",
            "There are test images but no training images. Add train/<class>/<image>.",
            shape.class_folder(places[0]),
        )
    for name in sorted({place.class_name for place in places} - train.keys()):
        findings.add(
            BadDataset(
                "test_class_unknown",
                "The class has test images but no training images. Add some, or remove it.",
                shape.class_folder(_Place("test", name)),
            )
        )
    classes = sorted(train)
    if len(classes) < 2:
        raise BadDataset(
            "one_class_only",
            "There is one class only. A classifier needs two: add a folder for another class.",
            shape.class_folder(_Place("train", classes[0])),
        )
    if len(classes) > limits.max_classes:
        raise BadDataset(
            "too_many_classes",
            f"There are {len(classes):,} classes; at most {limits.max_classes:,} are read. "
            "Merge classes or split the dataset.",
        )
    for name in classes:
        if train[name] < limits.min_images_per_class:
            findings.add(
                BadDataset(
                    "class_too_small",
                    f"The class has {train[name]} training image(s) and needs "
                    f"{limits.min_images_per_class}. Add images or remove the class.",
                    shape.class_folder(_Place("train", name)),
                )
            )
