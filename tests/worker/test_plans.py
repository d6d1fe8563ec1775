"""What owners ask for reaches the engine."""

from dataclasses import replace
from typing import Any

import pytest

from core.job_options import JobOptions
from core.tables import Job
from worker.layouts import DatasetSummary
from worker.plans import training_plan

DIGITS = DatasetSummary(
    layout="npz",
    classes=["0", "1", "2"],
    counts={"train": {"0": 50, "1": 60, "2": 70}, "test": {"0": 5, "1": 6, "2": 7}},
    image_shape=(28, 28, 1),
    test_split="given",
    notes=[],
)


def job(label_map: list[int] | None = None, **options: Any) -> Job:
    return Job(
        epsilon="8/255",
        label_map=label_map,
        seed=7,
        budget_seconds=30,
        options=JobOptions(**options).model_dump(mode="json"),
    )


def test_a_job_that_asks_for_nothing_gets_the_recipe() -> None:
    plan = training_plan(job(), DIGITS)
    assert (plan.epsilon, plan.seed, plan.budget_seconds) == (pytest.approx(8 / 255), 7, 30.0)
    assert (plan.steps, plan.generator, plan.conditioning) == (None, "encoder-decoder", "label")
    assert (
        training_plan(Job(epsilon="8/255", seed=7, budget_seconds=30, options={}), DIGITS) == plan
    )


@pytest.mark.parametrize("wish", [{"generator": "unet"}, {"victims": ["small-strided"]}])
def test_who_asks_for_a_generator_that_learns_gets_one(wish: dict[str, Any]) -> None:
    photos = replace(DIGITS, image_shape=(32, 32, 3))
    assert training_plan(job(), photos).most_steps == 0
    assert training_plan(job(**wish), photos).most_steps is None
    assert training_plan(job(**wish), DIGITS).most_steps == 400


def test_every_wish_is_in_the_plan() -> None:
    plan = training_plan(
        job(
            [1, 1, 2],
            untargeted="leave",
            training_steps=40,
            conditioning="none",
            generator="unet",
            victims=["five-conv-cnn"],
        ),
        DIGITS,
    )
    assert (plan.label_map, plan.untargeted) == ((1, 1, 2), "leave")
    assert (plan.steps, plan.conditioning, plan.patterns) == (40, "none", 0.0)
    assert (plan.generator, plan.victims) == ("unet", ("five-conv-cnn",))


def test_the_owner_sets_the_length_of_the_papers_recipes_too() -> None:
    plan = training_plan(job(recipe="paper-cifar10"), DIGITS)
    assert (plan.victims, plan.steps, plan.budget_seconds) == (("five-conv-cnn",), None, 30.0)
    assert training_plan(job(recipe="paper-cifar10", training_steps=9), DIGITS).steps == 9
