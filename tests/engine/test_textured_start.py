"""Generators that protect before they are trained: by textures, one per class."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import PlanError, TrainingPlan, largest_change, protect_images, train_generator
from engine.generators import GENERATORS, textures_of
from engine.tensors import as_float, on_device

PLAN = TrainingPlan(
    epsilon=0.1, textures=2.0, steps_per_trial=5, batch_size=8, width=8, held_out=0.2, selections=1
)


def noise(n: int = 60, classes: int = 3):
    """Colour images 28 x 28, labelled in turns."""
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28, 3), dtype=np.uint8)
    return images, np.arange(n) % classes


@pytest.mark.parametrize("generator", sorted(GENERATORS))
def test_without_steps_it_is_the_textures_and_nothing_else(generator: str):
    images, labels = noise()
    told, saved = [], []
    plan = replace(PLAN, most_steps=0, generator=generator)
    trained = train_generator(
        images, labels, 3, plan, on_progress=told.append, on_checkpoint=saved.append
    )
    assert (trained.summary.steps, trained.summary.curve) == (0, ())
    assert (told[-1].phase, told[-1].steps, told[-1].fraction) == ("training", 0, 1.0)
    assert [one.fraction for one in told] == sorted(one.fraction for one in told)
    x, y = on_device(images, labels, torch.device("cpu"))
    given = trained.network(as_float(x), y)
    assert torch.allclose(given.abs(), torch.full_like(given, 0.1 * np.tanh(2.0)), atol=1e-6)
    alone = textures_of(trained.network)(torch.zeros_like(given), as_float(x), y)
    assert torch.allclose(given, 0.1 * torch.tanh(alone), atol=1e-6)
    again = train_generator(images, labels, 3, plan, checkpoint=saved[0])
    np.testing.assert_array_equal(
        protect_images(again, images, labels), protect_images(trained, images, labels)
    )
    assert largest_change(images, protect_images(trained, images, labels)) == 25


@pytest.mark.parametrize("steps", [{"steps": 3}, {"steps": None, "most_steps": 3}])
def test_they_are_scored_before_they_are_trained(steps):
    images, labels = noise()
    saved = []
    plan = replace(PLAN, budget_seconds=60.0, **steps)
    trained = train_generator(images, labels, 3, plan, on_checkpoint=saved.append)
    assert [point.steps for point in trained.summary.curve] == [0, 3]
    best = min(trained.summary.curve, key=lambda point: point.accuracy)
    assert trained.summary.chosen_trial == best.trial
    again = train_generator(images, labels, 3, plan, checkpoint=saved[0])
    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, trained.network.state_dict()[name])


@pytest.mark.parametrize("change", [{"patterns": 1.0}, {"warm_start": "surrogates"}])
def test_what_needs_training_gets_a_step(change):
    with pytest.raises(PlanError, match="most_steps"):
        replace(PLAN, most_steps=0, **change)


def test_whoever_knows_the_seed_does_not_know_the_textures():
    images, labels = noise()
    plan = replace(PLAN, most_steps=0)
    tiles = [
        textures_of(train_generator(x, labels, 3, plan).network).tiles
        for x in (images, images, np.flip(images, axis=0).copy())
    ]
    assert torch.equal(tiles[0], tiles[1])
    assert not torch.equal(tiles[0], tiles[2])
