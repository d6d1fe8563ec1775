"""The protected images as learners get them, wherever they come from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.database import transaction
from core.tables import Dataset, Generator, Job
from worker import flow
from worker.context import StepContext
from worker.files import FETCHING, fetch, fetch_canonical_of
from worker.layouts import Canonical, read_back
from worker.plans import protected_masks


def measured(context: StepContext, job: Job) -> dict[str, Any]:
    """What the step found out that knows the protected images: `protect` or `compare`."""
    return context.result_of(flow.COMPARE if job.kind == "evaluation" else flow.PROTECT)


def fetch_protected(
    context: StepContext, data: Canonical, published: dict[str, Any]
) -> NDArray[np.uint8]:
    """The protected training images, decoded: uint8 (N, H, W, C).

    Args:
        context: of the step.
        data: the clean dataset.
        published: `dataset`, the artifact that the owner gets, or `dataset_id` of another upload.
    """
    if "dataset_id" in published:
        with transaction() as session:
            other = session.get_one(Dataset, published["dataset_id"])
        return np.asarray(fetch_canonical_of(context, other, "compared").train_images)
    stored = published["dataset"]
    path = context.scratch / stored["name"]
    fetch(context, {stored["object_key"]: path}, FETCHING)

    def reading(done: int, total: int) -> None:
        context.progress(0.05 + 0.05 * done / max(total, 1))

    return np.asarray(read_back(path, data, context.scratch / "written", reading)["train"])


def training_mask(
    job: Job, data: Canonical, protected: NDArray[np.uint8] | None
) -> NDArray[np.bool_]:
    """Which training images are protected, bool (N,).

    Of a pair of datasets, those that differ; `protected` is needed then.
    """
    if job.kind == "evaluation":
        assert protected is not None
        return np.asarray((protected != np.asarray(data.train_images)).any(axis=(1, 2, 3)))
    labels = np.asarray(data.train_labels)
    return protected_masks(job, labels, labels[:0])[0]


def trained_of(context: StepContext, job: Job) -> dict[str, Any]:
    """The generator that a job uses: `generator` (its artifact), `plan`, `summary`, `seconds`."""
    if job.generator_id is None:
        return context.result_of(flow.TRAIN)
    with transaction() as session:
        row = session.get_one(Generator, job.generator_id)
    return {"generator": {"object_key": row.object_key}, **row.training}
