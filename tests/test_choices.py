"""The names that the API takes are those that the engine has."""

from typing import Any, get_args

import pytest

from core import choices
from engine.evaluation.augmentation import AUGMENTATIONS
from engine.evaluation.countermeasures import COUNTERMEASURES, why_not_applicable
from engine.evaluation.evaluation_plan import CONTROLS
from engine.generators import GENERATORS
from engine.plan import Conditioning, Untargeted
from engine.recipes import RECIPES, choose_victims, recipe
from engine.victims import VICTIMS
from engine.victims.classical import CLASSICAL


@pytest.mark.parametrize(
    ("choice", "registry"),
    [
        (choices.Recipe, RECIPES),
        (choices.Generator, GENERATORS),
        (choices.Conditioning, get_args(Conditioning)),
        (choices.Untargeted, get_args(Untargeted)),
        (choices.Augmentation, AUGMENTATIONS),
        (choices.Network, VICTIMS),
        (choices.Classical, CLASSICAL),
        (choices.Countermeasure, COUNTERMEASURES),
        (choices.Control, CONTROLS),
    ],
)
def test_the_same_names_in_the_same_order(choice: Any, registry: Any) -> None:
    assert list(get_args(choice)) == list(registry)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1)])
@pytest.mark.parametrize(("classes", "images"), [(10, 60_000), (200, 500), (2, 5_000)])
def test_the_same_victim_where_none_is_named(
    shape: tuple[int, int, int], classes: int, images: int
) -> None:
    assert [choices.fitting_victim(shape, classes, images)] == choose_victims(
        shape, classes, images
    )


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 1), (65, 64, 1)])
@pytest.mark.parametrize("conditioning", [None, *get_args(Conditioning)])
@pytest.mark.parametrize("label_map", [None, (1, 0)])
@pytest.mark.parametrize("name", RECIPES)
def test_the_same_recipes_stop_early(
    name: choices.Recipe,
    label_map: tuple[int, ...] | None,
    conditioning: Conditioning | None,
    shape: tuple[int, int, int],
) -> None:
    plan = recipe(
        name,
        shape=shape,
        n_train=5_000,
        num_classes=2,
        epsilon=0.1,
        label_map=label_map,
        conditioning=conditioning,
    )
    steers = label_map is not None
    assert choices.most_steps(name, shape, conditioning, steers=steers) == plan.most_steps


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("victim", ["small-strided", "linear-svm"])
@pytest.mark.parametrize("name", choices.COUNTERMEASURES)
def test_the_same_counter_measures_are_left_out(
    name: choices.Countermeasure, victim: choices.Network | choices.Classical, channels: int
) -> None:
    reason = why_not_applicable(name, channels, network=victim in VICTIMS)
    assert choices.is_applicable(name, victim, channels) == (reason is None)
