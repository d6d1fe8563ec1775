"""Recipes: what each name stands for."""

import json

import pytest

from engine import PlanError, TrainingPlan, recipe


@pytest.mark.parametrize(
    ("asked", "textures"),
    [({}, True), ({"conditioning": "none"}, False), ({"label_map": (1, 2, 0)}, False)],
)
def test_fast_starts_from_textures_where_they_serve(asked, textures):
    colour = recipe("fast", shape=(32, 32, 3), n_train=900, num_classes=3, epsilon=0.03, **asked)
    assert bool(colour.textures) == textures
    gray = recipe("fast", shape=(28, 28, 1), n_train=900, num_classes=3, epsilon=0.3, **asked)
    assert not gray.textures
    robust = recipe("robust", shape=(28, 28, 1), n_train=900, num_classes=3, epsilon=0.3, **asked)
    assert bool(robust.textures) == textures
    assert bool(robust.most_steps) == textures


def test_the_default_is_what_holds_best_for_the_shape():
    def chosen(name, *shape):
        return recipe(name, shape=shape, n_train=900, num_classes=3, epsilon=0.3)

    assert chosen("auto", 28, 28, 1) == chosen("robust", 28, 28, 1) != chosen("fast", 28, 28, 1)
    assert chosen("auto", 32, 32, 3) == chosen("fast", 32, 32, 3) != chosen("robust", 32, 32, 3)


@pytest.mark.parametrize("name", ["paper-mnist", "paper-cifar10", "paper-imagenet"])
def test_recipes_of_the_paper_have_its_numbers(name):
    plan = recipe(name, shape=(28, 28, 1), n_train=60_000, num_classes=10)
    assert plan.generator_lr == 1e-4
    assert plan.conditioning == "none"
    assert plan.warm_start == "none"
    assert plan.schedule == "constant"
    assert plan.steps == 500 * plan.steps_per_trial
    told = {
        "paper-mnist": (0.3, 0.01, 64, "encoder-decoder", "paper-mnist-cnn"),
        "paper-cifar10": (0.032, 0.01, 64, "unet", "five-conv-cnn"),
        "paper-imagenet": (0.1, 0.1, 32, "encoder-decoder", "five-conv-cnn"),
    }[name]
    assert told == (plan.epsilon, plan.victim_lr, plan.batch_size, plan.generator, *plan.victims)


def test_recipes_ask_for_what_they_need():
    about = {"shape": (28, 28, 1), "n_train": 100, "num_classes": 3}
    with pytest.raises(PlanError, match="epsilon"):
        recipe("fast", **about)
    with pytest.raises(PlanError, match="paper-mnist"):
        recipe("quick", **about, epsilon=0.1)
    free = recipe("fast", **about, epsilon=0.1, conditioning="none")
    assert free.conditioning == "none"
    assert TrainingPlan.from_json(json.loads(json.dumps(free.to_json()))) == free
