"""From what an owner asked for to what the engine shall do."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from core.job_options import EvaluationOptions, EvaluationVictim, JobOptions
from core.tables import Job
from engine import (
    EvaluationPlan,
    Learner,
    TrainingPlan,
    choose_protected,
    choose_victims,
    recipe,
)
from worker.layouts import DatasetSummary

Labels = NDArray[np.int64]


def options_of(job: Job) -> JobOptions:
    """How the job shall be done."""
    return JobOptions.model_validate(job.options)


def training_plan(job: Job, summary: DatasetSummary) -> TrainingPlan:
    """The plan of the job's generator, fitted to the data.

    The owner sets the length, also of the paper's recipes: a number of steps, or a budget. Who
    names victims or an architecture wants a generator that learns, where the recipe draws one.
    """
    wishes = options_of(job)
    plan = recipe(
        wishes.recipe,
        shape=summary.image_shape,
        n_train=sum(summary.counts["train"].values()),
        num_classes=len(summary.classes),
        epsilon=float(Fraction(job.epsilon)),
        label_map=None if job.label_map is None else tuple(job.label_map),
        untargeted=wishes.untargeted or "confuse",
        conditioning=wishes.conditioning,
        seed=job.seed,
        budget_seconds=float(job.budget_seconds),
    )
    if plan.most_steps == 0 and wishes.trains:
        plan = replace(plan, most_steps=None)
    return replace(
        plan,
        steps=wishes.training_steps,
        generator=wishes.generator or plan.generator,
        victims=tuple(wishes.victims) if wishes.victims else plan.victims,
    )


def protected_masks(
    job: Job, train_labels: Labels, test_labels: Labels
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which training and which test images are protected.

    Whole classes are the same in both. Of few test images a random share may be none.

    Args:
        job: says how many, or which classes.
        train_labels: int64 (N,).
        test_labels: int64 (M,); none where the test images are published as they are.

    Raises:
        PlanError: the share is less than one training image.
    """
    wish = options_of(job).protected_fraction
    if wish is None:
        return np.ones(len(train_labels), np.bool_), np.ones(len(test_labels), np.bool_)
    if wish.classes is not None:
        chosen = np.array([int(index) for index in wish.classes])
        return np.isin(train_labels, chosen), np.isin(test_labels, chosen)
    assert wish.fraction is not None
    train = choose_protected(train_labels, wish.fraction, how=wish.by, seed=job.seed)
    if wish.by == "class":
        return train, np.isin(test_labels, train_labels[train])
    if round(wish.fraction * len(test_labels)) == 0:
        return train, np.zeros(len(test_labels), np.bool_)
    return train, choose_protected(test_labels, wish.fraction, how="random", seed=job.seed)


def evaluation_plan(options: EvaluationOptions, summary: DatasetSummary) -> EvaluationPlan:
    """What is tried to learn from the protected images."""
    fitting = choose_victims(
        summary.image_shape, len(summary.classes), sum(summary.counts["train"].values())
    )
    wanted = options.victims or [
        EvaluationVictim.model_validate({"victim": name}) for name, _ in fitting
    ]
    return EvaluationPlan(
        victims=tuple(
            Learner(
                one.victim,
                epochs=one.epochs or dict(fitting).get(one.victim, fitting[0][1]),
                augmentation=one.augmentation,
            )
            for one in wanted
        ),
        seeds=tuple(options.seeds),
        countermeasures=tuple(options.countermeasures),
        countermeasure_victims=options.countermeasure_victims,
        controls=tuple(options.controls),
        controls_under_countermeasures=options.controls_under_countermeasures,
        clean_under_countermeasures=options.clean_under_countermeasures,
    )
