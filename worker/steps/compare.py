"""Hold a clean dataset against a protected one, and plan what is tried on them."""

from dataclasses import asdict
from typing import Any

import numpy as np

from core.problem import Refused
from engine import largest_change, psnr
from worker.context import StepContext
from worker.evaluation import design
from worker.files import fetch_canonical, job_of
from worker.picture import draw_samples
from worker.plans import options_of
from worker.published import fetch_protected, training_mask


def run(context: StepContext) -> dict[str, Any]:
    """Compare, image by image.

    Returns:
        As `protect`, with `dataset_id` where the protected images are an upload.

    Raises:
        Refused: the two are not the same images under the same labels.
    """
    job = job_of(context)
    data = fetch_canonical(context)
    published = context.claim.payload
    protected = fetch_protected(context, data, published)
    clean = np.asarray(data.train_images)
    if protected.shape != clean.shape:
        raise Refused(
            "datasets_do_not_pair",
            f"The clean dataset has training images {clean.shape}, the protected one "
            f"{protected.shape}. Both must hold the same images in the same order.",
            "protected_dataset_id",
        )
    mask = training_mask(job, data, protected)
    if not mask.any():
        raise Refused(
            "datasets_identical",
            "The two datasets have the same training images: nothing is protected.",
            "protected_dataset_id",
        )
    linf = largest_change(clean, protected)
    picture = context.scratch / "preview.png"
    labels = np.asarray(data.train_labels)
    draw_samples(clean[mask], protected[mask], labels[mask], linf, picture)
    picture_key = context.attempt_prefix + picture.name
    context.store.put_file(picture, picture_key, "image/png")
    untargeted = options_of(job).untargeted or "confuse"
    trials = design(job, data, mask, epsilon=linf / 255, untargeted=untargeted)
    return {
        **published,
        "picture_key": picture_key,
        "linf": linf,
        "psnr_db": psnr(clean[mask], protected[mask]),
        "images": int(mask.sum()),
        "design": asdict(trials),
        "evaluations": trials.trainings,
    }
