"""Training: determinism, resumption, progress, selection and refusals, on tiny data."""

import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine import (
    PlanError,
    Progress,
    TrainingPlan,
    TrainingStopped,
    generator_from_checkpoint,
    recipe,
    train_generator,
)
from engine.budget import Pace, steps_within, surrogate_steps
from engine.training import selection_trials
from engine.warm_start import features_to_carry

PLAN = TrainingPlan(
    epsilon=0.3, steps=22, steps_per_trial=5, batch_size=8, width=8, selections=3, held_out=0.2
)


def digits(n: int = 60, classes: int = 3, side: int = 12, channels: int = 1):
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    images = rng.integers(0, 60, (n, side, side, channels), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * 3 : label * 3 + 3] += 150
    return images, labels


def weights(trained):
    return trained.network.state_dict()


def assert_same(a, b):
    for name, tensor in weights(a).items():
        assert torch.equal(tensor, weights(b)[name]), name
    curves = [[replace(p, seconds=0.0) for p in g.summary.curve] for g in (a, b)]
    assert curves[0] == curves[1]
    assert a.summary.chosen_trial == b.summary.chosen_trial


@pytest.fixture(autouse=True)
def every_trial_is_saved(monkeypatch):
    monkeypatch.setattr("engine.training._CHECKPOINT_EVERY_SECONDS", 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"conditioning": "none"},
        {"label_map": (1, 2, 0)},
        {"label_map": (1, 0, 2), "outer_loss": "bounded"},
        {"warm_start": "first-order", "warm_fraction": 0.5, "generator": "unet"},
        {"warm_start": "surrogates", "warm_fraction": 0.5},
        {"warm_start": "surrogates", "label_map": (1, 0, 2), "outer_loss": "steered"},
        {
            "warm_start": "surrogates",
            "outer_loss": "steered",
            "victims": ("small-strided", "five-conv-cnn"),
        },
    ],
)
def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(change):
    plan = replace(PLAN, **change)
    images, labels = digits()
    saved = []
    whole = train_generator(images, labels, 3, plan, on_checkpoint=saved.append)
    assert len(saved) >= 4
    for checkpoint in (saved[0], saved[2], saved[-1]):
        torch.rand(3)  # whatever else the process drew must not matter
        assert_same(train_generator(images, labels, 3, plan, checkpoint=checkpoint), whole)


def test_a_training_under_a_budget_resumes_with_the_number_of_steps_it_began_with():
    plan = replace(PLAN, steps=None, budget_seconds=1.0, steps_per_trial=10)
    images, labels = digits()
    saved = []
    whole = train_generator(images, labels, 3, plan, on_checkpoint=saved.append)
    assert_same(train_generator(images, labels, 3, plan, checkpoint=saved[0]), whole)


def test_the_same_seed_gives_the_same_generator_and_another_seed_another():
    images, labels = digits()
    first, again, other = (
        train_generator(images, labels, 3, replace(PLAN, seed=s)) for s in (0, 0, 1)
    )
    assert_same(first, again)
    assert any(not torch.equal(t, weights(other)[k]) for k, t in weights(first).items())


def test_a_callback_stops_the_training_and_its_checkpoint_goes_on():
    images, labels = digits()
    saved: list[bytes] = []

    def stop(progress: Progress) -> None:
        if len(saved) >= 2:
            raise TrainingStopped

    with pytest.raises(TrainingStopped):
        train_generator(
            images, labels, 3, replace(PLAN, steps=2000), on_progress=stop,
            on_checkpoint=saved.append,
        )  # fmt: skip
    assert generator_from_checkpoint(saved[-1]).summary.trials == len(saved)


def test_progress_never_falls_and_reaches_the_end():
    images, labels = digits()
    seen: list[Progress] = []
    train_generator(
        images, labels, 3, replace(PLAN, steps=None, budget_seconds=2.0), on_progress=seen.append
    )
    assert seen[0].phase == "measuring"
    fractions, seconds = [p.fraction for p in seen], [p.seconds for p in seen]
    assert fractions == sorted(fractions)
    assert seconds == sorted(seconds)
    assert fractions[-1] == 1.0
    assert max(b - a for a, b in itertools.pairwise(seconds)) < 1.0


def test_a_checkpoint_of_another_plan_or_other_data_is_refused():
    images, labels = digits()
    saved = []
    train_generator(images, labels, 3, PLAN, on_checkpoint=saved.append)
    with pytest.raises(PlanError, match="another plan"):
        train_generator(images, labels, 3, replace(PLAN, seed=5), checkpoint=saved[0])
    with pytest.raises(PlanError, match="other images"):
        train_generator(255 - images, labels, 3, PLAN, checkpoint=saved[0])
    with pytest.raises(PlanError, match="not a file"):
        train_generator(images, labels, 3, PLAN, checkpoint=b"nonsense")


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (np.zeros((9, 12, 12), np.uint8), np.arange(9) % 3, 3, r"\(N, H, W, C\)"),
        (np.zeros((9, 12, 12, 2), np.uint8), np.arange(9) % 3, 3, "1 or 3 channels"),
        (np.zeros((9, 7, 12, 1), np.uint8), np.arange(9) % 3, 3, "8 x 8"),
        (np.zeros((9, 12, 12, 1), np.float32), np.arange(9) % 3, 3, "uint8"),
        (np.zeros((9, 12, 12, 1), np.uint8), np.arange(8) % 3, 3, "labels for 9"),
        (np.zeros((9, 12, 12, 1), np.uint8), np.arange(9) % 3, 2, "from 0 to 1"),
        (np.zeros((9, 12, 12, 1), np.uint8), np.zeros(9, int), 3, "same label"),
        (np.zeros((3, 12, 12, 1), np.uint8), np.arange(3), 3, "at least 4"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(images, labels, classes, message):
    with pytest.raises(PlanError, match=message):
        train_generator(images, labels, classes, PLAN)


@pytest.mark.parametrize(
    "values",
    [
        {"epsilon": 0.001},
        {"epsilon": 2.0},
        {"label_map": (0, 1, 2)},
        {"budget_seconds": 0.0},
        {"steps": 0},
        {"batch_size": 0},
        {"held_out": 1.0},
        {"warm_fraction": 1.5},
        {"selections": 0},
    ],
)
def test_a_plan_that_cannot_be_is_refused(values):
    with pytest.raises(PlanError):
        replace(PLAN, **values)


@pytest.mark.parametrize("label_map", [(1, 0), (1, 2, 3), (1, -1, 0)])
def test_a_label_map_must_name_the_classes_there_are(label_map):
    with pytest.raises(PlanError, match="label_map"):
        replace(PLAN, label_map=label_map).check_classes(3)


def test_a_plan_survives_json():
    plan = replace(PLAN, label_map=(1, 2, 0))
    assert TrainingPlan.from_json(plan.to_json()) == plan


def test_the_last_trial_is_always_among_those_selected():
    for trials in range(1, 40):
        for selections in range(1, 10):
            chosen = selection_trials(trials, selections)
            assert max(chosen) == trials
            assert len(chosen) == min(trials, selections)


def test_three_channels_and_four_images_are_enough():
    images, labels = digits(4, 2, 9, 3)
    plan = recipe(shape=(9, 9, 3), n_train=4, num_classes=2, epsilon=0.1, budget_seconds=1.0)
    train_generator(images, labels, 2, replace(plan, steps=3))


def test_importing_the_engine_does_not_import_torch():
    code = "import sys, engine; engine.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("label_map", [None, (1, 2, 0), (1, 0, 2), (1, 1, 1), (0, 0, 1)])
def test_every_class_carries_features_of_others_only(label_map):
    carried = features_to_carry(3, label_map)
    assert torch.allclose(carried.sum(1), torch.ones(3))
    assert not carried.diagonal().any()
    for k, target in enumerate(label_map or ()):
        if k != target:
            assert carried[target, k] > 0


def test_the_budget_is_shared_among_surrogates_steps_and_selections():
    pace = Pace(surrogate=0.01, step=0.05, selection=2.0)
    steps = steps_within(100.0, pace, selections=5)
    spent = 0.05 * steps + 0.01 * surrogate_steps(steps) + 5 * 2.0
    assert spent == pytest.approx(100.0, abs=0.1)
    assert steps_within(1.0, pace, selections=5) >= 1
