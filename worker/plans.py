"""From what an owner asked for to what the engine shall do."""

from dataclasses import replace
from fractions import Fraction

from core.job_options import JobOptions
from core.tables import Job
from engine import TrainingPlan, recipe
from worker.layouts import DatasetSummary


def options_of(job: Job) -> JobOptions:
    """How the job shall be done."""
    return JobOptions.model_validate(job.options)


def training_plan(job: Job, summary: DatasetSummary) -> TrainingPlan:
    """The plan of the job's generator, fitted to the data.

    The owner sets the length, also of the paper's recipes: a number of steps, or a budget.
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
    return replace(
        plan,
        steps=wishes.training_steps,
        generator=wishes.generator or plan.generator,
        victims=tuple(wishes.victims) if wishes.victims else plan.victims,
    )
