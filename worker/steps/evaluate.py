"""Train one fresh victim on one form of the training images and test it on clean ones."""

from typing import Any

from core.tables import Job
from engine import Dataset, LabelledImages, Progress
from engine.evaluation.countermeasures import prepare
from engine.evaluation.training_images import training_images
from engine.evaluation.victim_training import fit_prepared
from worker.baselines import CLEAN
from worker.context import StepContext
from worker.evaluation import dataset_of, learner_of, result_of
from worker.files import fetch_canonical, job_of
from worker.layouts import Canonical
from worker.published import fetch_protected, measured, training_mask


def run(context: StepContext) -> dict[str, Any]:
    """Train and test the victim that the step's payload names.

    The protected images are decoded from the archive that the owner gets; the test images are
    clean, and were seen by no training and no choice before.

    Returns:
        Accuracies in percent, the confusion matrix (true class by row) and the learning curve.
    """
    payload = context.claim.payload
    job = job_of(context)
    data = fetch_canonical(context)
    learner, side, seed = learner_of(payload), payload["side"], payload["seed"]
    clean = dataset_of(data)
    given = _given(context, job, data, clean)

    def on_progress(progress: Progress) -> None:
        metrics: dict[str, Any] = {
            f"{side}_{name}": round(value, 4) for name, value in progress.metrics.items()
        }
        context.progress(progress.fraction, **metrics)

    prepared = prepare(
        given,
        clean.test,
        clean.num_classes,
        learner.countermeasure,
        tick=lambda: context.progress(0.0),
    )
    fitted = fit_prepared(prepared, learner, seed=seed, on_progress=on_progress)
    seen = clean.train.images.size * learner.epochs / 1e6
    return {
        **result_of(fitted.report),
        "speeds": {f"evaluate/{learner.victim}": [seen, fitted.report.seconds]},
        "images": len(prepared.train_labels) * learner.epochs,
    }


def _given(context: StepContext, job: Job, data: Canonical, clean: Dataset) -> LabelledImages:
    """What the victim of the step's payload learns from."""
    side, seed = context.claim.payload["side"], context.claim.payload["seed"]
    if side == CLEAN:  # perhaps before anything is protected
        return clean.train
    published = measured(context, job)
    images = None
    if side == "protected" or job.kind == "evaluation":
        images = fetch_protected(context, data, published)
    mask = training_mask(job, data, images)
    epsilon = published["design"]["epsilon"]
    protected = clean.train.images if images is None else images
    return training_images(side, clean, protected, mask, epsilon, seed)
