"""Train one fresh victim on the clean or on the protected images and test it on clean ones."""

from typing import Any

import numpy as np

from engine import Progress, train_victim
from worker.context import StepContext
from worker.files import fetch_canonical
from worker.layouts import read_back


def run(context: StepContext) -> dict[str, Any]:
    """Train and test the victim that the step's payload names.

    The protected images are decoded from the archive that the owner gets; the test images are
    clean, and were seen by no training and no choice before.

    Returns:
        Accuracies in percent, the confusion matrix (true class by row) and the learning curve.
    """
    payload = context.claim.payload
    data = fetch_canonical(context)
    images = np.asarray(data.train_images)
    if payload["side"] == "protected":
        stored = context.result_of("protect")["dataset"]
        path = context.scratch / stored["name"]
        context.store.get_file(stored["object_key"], path)
        written = read_back(path, data, context.scratch / "written")
        images = written["train"]

    def on_progress(progress: Progress) -> None:
        metrics: dict[str, Any] = {
            f"{payload['side']}_{name}": round(value, 4) for name, value in progress.metrics.items()
        }
        context.progress(progress.fraction, **metrics)

    report = train_victim(
        images,
        np.asarray(data.train_labels),
        np.asarray(data.test_images),
        np.asarray(data.test_labels),
        len(data.summary.classes),
        victim=payload["victim"],
        seed=payload["seed"],
        epochs=payload["epochs"],
        on_progress=on_progress,
    )
    return {
        "accuracy": report.accuracy,
        "best_epoch_accuracy": report.best_epoch_accuracy,
        "train_accuracy": report.train_accuracy,
        "confusion": report.confusion.tolist(),
        "curve": list(report.curve),
        "train_curve": list(report.train_curve),
        "seconds": report.seconds,
        "images": len(images) * payload["epochs"],
    }
