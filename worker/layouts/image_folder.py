"""A zip of images in class folders: decodes what `folder_plan` found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from worker.layouts.canonical import SPLITS, CanonicalWriter, DatasetSummary
from worker.layouts.folder_plan import FolderPlan
from worker.layouts.image import decode_image
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset
from worker.layouts.progress import Progress
from worker.layouts.zip_reader import ZipReader


def read_folder(
    archive: ZipReader,
    plan: FolderPlan,
    writer: CanonicalWriter,
    limits: Limits,
    progress: Progress,
    on_member: Callable[[str], None],
) -> None:
    """Decode every image of `plan` into `writer` and finish it.

    Raises:
        BadDataset: `mixed_sizes`, `dataset_too_large`, and what `ZipReader.read` and
            `decode_image` raise.
    """
    seen = _Seen()
    for image in plan.images:
        name = image.member.name
        on_member(name)
        decoded = decode_image(archive.read(image.member), name, limits)
        height, width, _ = decoded.pixels.shape
        if seen.first is None:
            seen.first = (name, height, width)
        elif seen.first[1:] != (height, width):
            raise BadDataset(
                "mixed_sizes",
                f"The image is {width} x {height}, but {seen.first[0]} is {seen.first[2]} x "
                f"{seen.first[1]}. All images must have one size: resize them first.",
                name,
            )
        writer.add(image.split, decoded.pixels[None], name)
        rewritten = image.split == "train" or plan.test_split == "cut"
        seen.lossy += rewritten and decoded.format != "PNG"
        seen.turned += decoded.turned
        seen.profiles += decoded.has_profile
        progress.add()
    labels = np.array([image.label for image in plan.images], dtype=np.int64)
    in_test = np.array([image.split == "test" for image in plan.images])
    writer.finish(
        DatasetSummary(
            layout="image_folder",
            classes=plan.classes,
            counts=plan.counts(),
            image_shape=writer.image_shape,
            test_split=plan.test_split,
            notes=plan.notes + seen.notes(writer.gray_made_rgb),
        ),
        {
            split: [image.member.name for image in plan.images if image.split == split]
            for split in SPLITS
        },
        {"train": labels[~in_test], "test": labels[in_test]},
    )


@dataclass(slots=True)
class _Seen:
    """What the pixels told on the way."""

    first: tuple[str, int, int] | None = None
    lossy: int = 0
    turned: int = 0
    profiles: int = 0

    def notes(self, gray_made_rgb: int) -> list[str]:
        told = []
        if self.lossy:
            told.append(
                f"{self.lossy} image(s) came as JPEG or WebP. Their protected versions hold PNG "
                "bytes under the same names, since lossy compression would move pixels beyond "
                "epsilon."
            )
        if gray_made_rgb:
            told.append(f"{gray_made_rgb} gray image(s) became RGB, as others are in colour.")
        if self.turned:
            told.append(f"{self.turned} image(s) were turned upright as their EXIF data says.")
        if self.profiles:
            told.append(
                f"{self.profiles} image(s) name a colour profile. Their pixels are taken as "
                "stored; protected images carry no profile."
            )
        return told
