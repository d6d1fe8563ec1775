"""A few images without a dataset around them: single files, and small zips of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from worker.layouts.findings import Findings
from worker.layouts.folder_plan import is_system_file
from worker.layouts.image import Pixels, decode_image, strict_decoder
from worker.layouts.limits import Limits
from worker.layouts.problem import BadDataset
from worker.layouts.zip_reader import ZipReader

_ZIP: Final = b"PK"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file as it was sent: where it lies, and what its sender calls it."""

    path: Path
    name: str

    def to_json(self) -> dict[str, str]:
        return {"path": str(self.path), "name": self.name}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> "ImageFile":
        return cls(Path(data["path"]), data["name"])


@dataclass(frozen=True, slots=True)
class FoundImage:
    """One image that was read; its pixels lie in `<index>.npy`.

    Attributes:
        name: of the file, or of the member of a zip.
        file: index of the file that it came in.
        zipped: whether that is a zip.
    """

    name: str
    file: int
    zipped: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_images(
    files: Sequence[ImageFile], out: Path, limits: Limits, on_member: Callable[[str], None]
) -> list[FoundImage]:
    """Decode images into the folder `out`, uint8 (H, W, C) in a `.npy` each, in the order sent.

    Their sizes may differ. Folders and system files in a zip are passed over. This runs decoders on
    whatever was sent: production code calls `read_images_in_sandbox`.

    Raises:
        BadDataset: a file cannot be read; the report names each.
    """
    reading = _Reading(out, limits, on_member)
    try:
        with strict_decoder():
            for index, file in enumerate(files):
                reading.file(index, file)
        reading.findings.raise_any()
        if not reading.found:
            raise BadDataset("no_images", "There is no image in what was sent.")
    except BadDataset as problem:
        raise reading.findings.concluded_by(problem) from problem
    return reading.found


def load_images(folder: Path, count: int) -> list[Pixels]:
    """The pixels that `read_images` left."""
    return [np.load(folder / f"{index}.npy", allow_pickle=False) for index in range(count)]


class _Reading:
    """What has been read so far, and how much of it."""

    def __init__(self, out: Path, limits: Limits, on_member: Callable[[str], None]) -> None:
        self.found: list[FoundImage] = []
        self.findings = Findings()
        self._out = out
        self._limits = limits
        self._on_member = on_member
        self._bytes = 0

    def file(self, index: int, file: ImageFile) -> None:
        with file.path.open("rb") as content:
            zipped = content.read(len(_ZIP)) == _ZIP
        if not zipped:
            self._add(file.path.read_bytes(), FoundImage(file.name, index, zipped))
            return
        with ZipReader(file.path, self._limits, self.findings) as archive:
            for member in archive.members:
                if not member.is_dir and not is_system_file(member.name):
                    with self.findings.collect():
                        content_of = archive.read(member)
                        self._add(content_of, FoundImage(member.name, index, zipped))

    def _add(self, data: bytes, image: FoundImage) -> None:
        self._on_member(image.name)
        if len(self.found) == self._limits.max_images:
            raise BadDataset(
                "too_many_images",
                f"More than {self._limits.max_images} images. Send fewer at once, or upload them "
                "as a dataset and protect that.",
            )
        with self.findings.collect():
            pixels = decode_image(data, image.name, self._limits).pixels
            self._bytes += pixels.nbytes
            if self._bytes > self._limits.max_decoded_bytes:
                raise BadDataset(
                    "dataset_too_large",
                    f"The images have more than {self._limits.max_decoded_bytes:,} bytes of pixels "
                    "together. Send fewer at once, or upload them as a dataset and protect that.",
                )
            np.save(self._out / f"{len(self.found)}.npy", pixels)
            self.found.append(image)
