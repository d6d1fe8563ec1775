"""Protect a few images with a trained generator, for an owner who waits for them."""

import json
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from core import few_images
from core.database import transaction
from core.few_images import Sent, inputs_prefix
from core.problem import Refused
from core.tables import Dataset, Generator, Job
from engine import TrainedGenerator, integer_bound, largest_change, protect_images, psnr
from worker.context import StepContext
from worker.files import fetch, job_of, keep
from worker.layouts import (
    FoundImage,
    ImageFile,
    Limits,
    encode_png,
    load_images,
    read_images_in_sandbox,
)
from worker.layouts.zip_writer import write_member

Pixels = NDArray[np.uint8]

# It runs beside a training, on the same cores.
THREADS: Final = 4
# Up to this size an image goes through the network in a batch of the size that datasets go in, and
# comes out with the very bytes that it has in a dataset; of larger ones such a batch would take
# gigabytes, so each goes alone, and a pixel may round the other way.
LARGEST_IN_BATCH: Final = 64 * 64
BATCH: Final = 256


def run(context: StepContext) -> dict[str, Any]:
    """Read what was sent in a sandbox, protect it, and write PNG files.

    Returns:
        `artifacts`: `protected.png` of a single image, else `protected.zip` with every image and
        `protection.json`; and `metrics`, what was measured on all of them together.

    Raises:
        BadDataset: an image cannot be used; the owner is told why.
        Refused: an image does not fit the generator.
    """
    job = job_of(context)
    generator, classes = _generator(context, job)
    sent, images, pixels = _read(context)
    labels = _labels(generator, images, sent, classes)
    clean = [
        _fitting(one, generator.channels, found) for one, found in zip(pixels, images, strict=True)
    ]
    context.progress(0.5)
    torch.set_num_threads(min(THREADS, torch.get_num_threads()))
    protected = _protect(generator, clean, labels)
    bound = integer_bound(generator.plan.epsilon)
    told = [
        _measured(name, None if label is None else classes[label], *pair)
        for name, label, *pair in zip(_names(images), labels, clean, protected, strict=True)
    ]
    measured = {
        "images": len(told),
        "linf": max(one["linf"] for one in told),
        "psnr_db": min((one["psnr_db"] for one in told if one["linf"]), default=None),
    }
    assert measured["linf"] <= bound
    if len(images) == 1 and not images[0].zipped:
        path = context.scratch / "protected.png"
        path.write_bytes(encode_png(protected[0]))
    else:
        path = context.scratch / "protected.zip"
        about = {"generator_id": job.generator_id, "max_change": bound, **measured, "files": told}
        _write(path, [one["name"] for one in told], protected, about)
    return {
        "artifacts": [keep(context, path, "protected_images")],
        "metrics": measured,
        "images": len(images),
    }


def _generator(context: StepContext, job: Job) -> tuple[TrainedGenerator, list[str]]:
    """The trained generator, and the names of its classes."""
    with transaction() as session:
        row = session.get_one(Generator, job.generator_id)
        dataset = session.get_one(Dataset, job.dataset_id)
    assert dataset.summary is not None
    trained = TrainedGenerator.from_bytes(context.store.get_bytes(row.object_key))
    return trained, list(dataset.summary["classes"])


def _read(context: StepContext) -> tuple[list[Sent], list[FoundImage], list[Pixels]]:
    claim = context.claim
    assert claim.job_id is not None
    prefix = inputs_prefix(claim.tenant_id, claim.job_id)
    sent: list[Sent] = json.loads(context.store.get_bytes(prefix + few_images.INDEX))
    folder = context.scratch / "inputs"
    folder.mkdir()
    fetch(context, {f"{prefix}{i}": folder / str(i) for i in range(len(sent))}, (0.0, 0.1))
    out = context.scratch / "pixels"
    limits = Limits(
        max_members=4 * few_images.MAX_IMAGES,
        max_member_bytes=few_images.MAX_BYTES,
        max_total_bytes=4 * few_images.MAX_BYTES,
        max_images=few_images.MAX_IMAGES,
        max_decoded_bytes=few_images.MAX_PIXEL_BYTES,
        max_side=few_images.MAX_SIDE,
        max_pixels=few_images.MAX_SIDE**2,
        sandbox_cpu_seconds=60,
        sandbox_wall_seconds=120,
    )
    files = [ImageFile(folder / str(i), one["name"]) for i, one in enumerate(sent)]
    found = read_images_in_sandbox(files, out, limits, lambda: False)
    return sent, found, load_images(out, len(found))


def _labels(
    generator: TrainedGenerator,
    images: Sequence[FoundImage],
    sent: Sequence[Sent],
    classes: Sequence[str],
) -> list[int | None]:
    """The class of each image: as it was said, or that of its folder in a zip."""
    if generator.plan.conditioning != "label":
        return [None] * len(images)
    return [_label(image, sent[image.file]["label"], classes) for image in images]


def _label(image: FoundImage, said: int | None, classes: Sequence[str]) -> int:
    folder = PurePosixPath(image.name).parent.name
    if said is not None:
        return said
    if image.zipped and folder in classes:
        return classes.index(folder)
    raise Refused(
        "label_missing",
        f"The generator needs the class of {image.name[:80]!r}: send the field label, or put the "
        "image into a folder of its class in a zip.",
        "label",
    )


def _fitting(pixels: Pixels, channels: int, image: FoundImage) -> Pixels:
    """The image with as many channels as the generator was trained on; gray becomes RGB."""
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, axis=2)
    raise Refused(
        "channels_differ",
        f"The generator was trained on gray images, and {image.name[:80]!r} is in colour. Convert "
        "it to gray.",
        "file",
    )


def _protect(
    generator: TrainedGenerator, images: Sequence[Pixels], labels: Sequence[int | None]
) -> list[Pixels]:
    """Each image protected; what an image becomes does not depend on those beside it."""
    of_shape = defaultdict(list)
    for index, image in enumerate(images):
        of_shape[image.shape].append(index)
    protected: dict[int, Pixels] = {}
    for (height, width, _), group in of_shape.items():
        stacked = protect_images(
            generator,
            np.stack([images[index] for index in group]),
            np.array([labels[index] or 0 for index in group], np.int64),
            batch_size=BATCH if height * width <= LARGEST_IN_BATCH else 1,
        )
        protected |= dict(zip(group, stacked, strict=True))
    return [protected[index] for index in range(len(images))]


def _measured(name: str, label: str | None, clean: Pixels, protected: Pixels) -> dict[str, Any]:
    linf = largest_change(clean, protected)
    noise = psnr(clean, protected) if linf else None
    return {"name": name, "label": label, "linf": linf, "psnr_db": noise}


def _names(images: Sequence[FoundImage]) -> list[str]:
    """Names for the images in the answer: as they came, as PNG, and none twice."""
    names: list[str] = []
    for image in images:
        path = PurePosixPath(image.name if image.zipped else PurePosixPath(image.name).name)
        name, count = str(path.with_suffix(".png")), 1
        while name in names:
            count += 1
            name = str(path.with_name(f"{path.stem}-{count}.png"))
        names.append(name)
    return names


def _write(
    path: Path, names: Sequence[str], images: Sequence[Pixels], about: dict[str, Any]
) -> None:
    with zipfile.ZipFile(path, "w") as target:
        for name, image in zip(names, images, strict=True):
            write_member(target, name, [encode_png(image)])
        write_member(target, "protection.json", [json.dumps(about, indent=2).encode() + b"\n"])
