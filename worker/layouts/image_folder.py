"""A zip of images in class folders: decodes what `folder_plan` found."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from worker.layouts.canonical import SPLITS, CanonicalWriter, DatasetSummary
from worker.layouts.findings import Findings
from worker.layouts.folder_plan import FolderPlan
from worker.layouts.image import Decoded, decode_image
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
    findings: Findings,
) -> None:
    """Decode every image of `plan` into `writer` and finish it.

    After the first image that cannot be used the others are still decoded, to name every bad one,
    but no longer written.

    Raises:
        BadDataset: `mixed_sizes`, `dataset_too_large`, and what `ZipReader.read` and
            `decode_image` raise.
    """
    seen = Seen()
    for image in plan.images:
        name = image.member.name
        on_member(name)
        with findings.collect():
            decoded = decode_image(archive.read(image.member), name, limits)
            rewritten = image.split == "train" or plan.test_split == "cut"
            seen.note(name, decoded, rewritten=rewritten)
        if not findings and not seen.mixed:
            writer.add(image.split, decoded.pixels[None], name)
        progress.add()
    seen.find_other_sizes(findings)
    findings.raise_any()
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
class Seen:
    """What the pixels of encoded images told on the way."""

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    mixed: bool = False
    lossy: int = 0
    turned: int = 0
    profiles: int = 0

    def note(self, name: str, decoded: Decoded, *, rewritten: bool) -> None:
        """Remember one image; `rewritten` if it is written anew in the protected dataset."""
        height, width, _ = decoded.pixels.shape
        first = next(iter(self.sizes.values()), (height, width))
        self.sizes[name] = (height, width)
        self.mixed |= first != (height, width)
        self.lossy += rewritten and decoded.format != "PNG"
        self.turned += decoded.turned
        self.profiles += decoded.has_profile

    def find_other_sizes(self, findings: Findings) -> None:
        """Name every image that has not the size of most: a victim takes one size only."""
        if not self.mixed:
            return
        (most, count), *_ = Counter(self.sizes.values()).most_common(1)
        for name, (height, width) in self.sizes.items():
            if (height, width) != most:
                findings.add(
                    BadDataset(
                        "mixed_sizes",
                        f"The image is {width} x {height}, but {count:,} of {len(self.sizes):,} "
                        f"are {most[1]} x {most[0]}. All images must have one size: resize them "
                        "first.",
                        name,
                    )
                )

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
