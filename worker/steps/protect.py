"""Apply the generator to every image and write the dataset back in the layout of the upload."""

import time
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import (
    Progress,
    TrainedGenerator,
    integer_bound,
    largest_change,
    protect_images,
    psnr,
)
from worker.context import StepContext
from worker.evaluation import design
from worker.files import fetch_canonical, fetch_upload, job_of, keep
from worker.layouts import Canonical, protected_name, read_back, write_protected
from worker.picture import draw_samples
from worker.plans import protected_masks
from worker.published import trained_of
from worker.shards import gather


def run(context: StepContext) -> dict[str, Any]:
    """Protect, write, read back what was written, and measure that.

    Returns:
        `dataset` (its artifact row), `picture_key`, `linf` in 1/255, `psnr_db` of the protected
        images, the `design` of the evaluation, and its trainings as `evaluations` that follow.
    """
    job = job_of(context)
    data = fetch_canonical(context)
    archive = fetch_upload(context)
    trained = trained_of(context, job)
    generator = TrainedGenerator.from_bytes(
        context.store.get_bytes(trained["generator"]["object_key"])
    )

    images, labels = _to_publish(data)
    count = len(data.train_labels)
    train_mask, test_mask = protected_masks(job, labels[:count], labels[count:])
    mask = np.concatenate([train_mask, test_mask])
    chosen = slice(None) if mask.all() else mask  # a slice copies nothing

    def protecting(progress: Progress) -> None:
        context.progress(0.5 * progress.fraction)

    started = time.monotonic()
    gathered = gather(context, images)
    protected = images.copy()
    protected[chosen] = (
        protect_images(generator, images[chosen], labels[chosen], on_progress=protecting)
        if gathered is None
        else gathered[chosen]
    )

    def writing(done: int, total: int) -> None:
        context.progress(0.5 + 0.3 * done / max(total, 1))

    def reading(done: int, total: int) -> None:
        context.progress(0.8 + 0.15 * done / max(total, 1))

    path = context.scratch / protected_name(data.summary)
    protecting_seconds = time.monotonic() - started
    cut = protected[count:] if _cut(data) else None
    write_protected(archive, data, protected[:count], cut, path, writing)

    # From here on only the bytes that the owner gets count.
    written = read_back(path, data, context.scratch / "written", reading)
    published = written["train"]
    if _cut(data):
        published = np.concatenate([published, written["test"]])
    linf = largest_change(images, published)
    if linf > integer_bound(generator.plan.epsilon):
        raise AssertionError(f"a pixel of the written dataset moved by {linf}/255")
    if largest_change(images[~mask], published[~mask]):
        raise AssertionError("an image that was not to be protected has changed")
    picture = context.scratch / "preview.png"
    draw_samples(images[chosen], published[chosen], labels[chosen], linf, picture)
    picture_key = context.attempt_prefix + picture.name
    context.store.put_file(picture, picture_key, "image/png")
    plan = generator.plan
    trials = design(job, data, train_mask, epsilon=plan.epsilon, untargeted=plan.untargeted)
    return {
        "dataset": keep(context, path, "protected_dataset"),
        "picture_key": picture_key,
        "linf": linf,
        "psnr_db": psnr(images[chosen], published[chosen]) if linf else None,
        "images": int(mask.sum()),
        "epsilon": job.epsilon,
        "design": asdict(trials),
        "evaluations": trials.trainings,
        "speeds": {"protect": [images.size / 1e6, protecting_seconds]} if gathered is None else {},
    }


def _cut(data: Canonical) -> bool:
    return data.summary.test_split == "cut"


def _to_publish(data: Canonical) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images that are perturbed: the training split, or all if the upload had no split.

    An uploaded test split is the owner's measuring stick and stays as it is.
    """
    images, labels = np.asarray(data.train_images), np.asarray(data.train_labels)
    if not _cut(data):
        return images, labels
    return (
        np.concatenate([images, np.asarray(data.test_images)]),
        np.concatenate([labels, np.asarray(data.test_labels)]),
    )
