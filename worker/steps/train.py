"""Train the perturbation generator against an imaginary victim (the paper's Algorithm 2)."""

from typing import Any

import numpy as np

from core.database import transaction
from core.doorbell import ring
from core.pools import COMPUTE
from core.tables import Job
from engine import Progress, TrainingPlan, generator_from_checkpoint, train_generator
from worker import flow
from worker.baselines import CLEAN
from worker.context import StepContext
from worker.evaluation import design
from worker.faults import DATABASE_AWAY
from worker.files import fetch_canonical, job_of, keep
from worker.layouts import Canonical
from worker.plans import options_of, training_plan
from worker.published import training_mask

CHECKPOINTED = ("training", "selecting")  # phases of a training that a checkpoint follows soon


def run(context: StepContext) -> dict[str, Any]:
    """Train a generator within the job's budget, going on from a checkpoint if there is one.

    Returns:
        `generator` (its artifact row), `seconds` of training and the training's `summary`.
    """
    job = job_of(context)
    data = fetch_canonical(context)
    checkpoint = context.last_checkpoint()
    if checkpoint is None:
        plan = training_plan(job, data.summary)
    else:  # as it began, also if the recipe is another one since an upgrade
        plan = generator_from_checkpoint(checkpoint).plan

    before = 0.0  # share of the bar for what comes before the first step
    alone = True

    def on_progress(progress: Progress) -> None:
        nonlocal before, alone
        if progress.step == 0:
            before = min(0.3, progress.seconds / plan.budget_seconds)
        elif alone:  # not before: while it measures its speed, nobody shall slow it down
            alone = not _begin_baselines(context, job, data, plan)
        context.progress(
            before + (1 - before) * progress.fraction,
            checkpoint_near=progress.phase in CHECKPOINTED,
            step=progress.step,
            seconds_training=round(progress.seconds, 1),
            **{name: round(value, 4) for name, value in progress.metrics.items()},
        )

    generator = train_generator(
        np.asarray(data.train_images),
        np.asarray(data.train_labels),
        len(data.summary.classes),
        plan,
        checkpoint=checkpoint,
        on_progress=on_progress,
        on_checkpoint=context.checkpoint,
        is_checkpoint_due=context.is_checkpoint_due,
    )
    path = context.scratch / "generator.safetensors"
    path.write_bytes(generator.to_bytes())
    return {
        "generator": keep(context, path, "generator"),
        "seconds": generator.summary.seconds,
        "summary": generator.summary.to_json(),
        "plan": plan.to_json(),
        "images": generator.summary.steps * plan.batch_size,
        "speeds": {
            f"train/{options_of(job).recipe}": [
                generator.summary.steps * plan.batch_size * data.train_images[0].size / 1e6,
                generator.summary.seconds,
            ]
        },
    }


def _begin_baselines(context: StepContext, job: Job, data: Canonical, plan: TrainingPlan) -> bool:
    """Clean baselines need no generator: a worker that has nothing else to do trains them.

    Returns:
        False if the database is away, which is no reason to stop.
    """
    mask = training_mask(job, data, None)
    trials = design(job, data, mask, epsilon=plan.epsilon, untargeted=plan.untargeted)
    clean = [payload for payload in trials.trainings if payload["side"] == CLEAN]
    try:
        with transaction() as session:
            flow.add_baselines(session, context.claim, clean)
    except DATABASE_AWAY:
        return False
    ring(COMPUTE)
    return True
