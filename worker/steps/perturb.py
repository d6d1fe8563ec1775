"""Apply the generator to a range of a large dataset's images; `protect` joins the ranges."""

from typing import Any

import numpy as np

from engine import Progress, TrainedGenerator, protect_images
from worker.context import StepContext
from worker.files import STORING, store
from worker.shards import fetch_range


def run(context: StepContext) -> dict[str, Any]:
    """Perturb the images from `start` to before `stop` of the payload.

    An image's protected bytes do not depend on which others it is perturbed with, so the ranges
    change nothing about the result.

    Returns:
        `key` of the protected images in the store (.npy), their `start` and `stop`.
    """
    start, stop = context.claim.payload["start"], context.claim.payload["stop"]
    images, labels = fetch_range(context, start, stop)
    context.progress(0.1)
    generator = TrainedGenerator.from_bytes(
        context.store.get_bytes(context.result_of("train")["generator"]["object_key"])
    )

    def protecting(progress: Progress) -> None:
        context.progress(0.1 + 0.8 * progress.fraction)

    protected = protect_images(generator, images, labels, on_progress=protecting)
    path = context.scratch / f"protected-{start}.npy"
    np.save(path, protected)
    key = context.attempt_prefix + path.name
    store(context, path, key, STORING)
    return {"key": key, "start": start, "stop": stop}
