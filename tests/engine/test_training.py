"""Training: determinism, resumption, progress, selection and refusals, on tiny data."""

import copy
import functools
import itertools
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load

import engine
from engine import (
    PlanError,
    Progress,
    TrainingPlan,
    TrainingStopped,
    generator_from_checkpoint,
    largest_change,
    protect_images,
    recipe,
)
from engine.algorithm2 import protected
from engine.budget import Pace, steps_within, surrogate_share
from engine.frozen import Frozen
from engine.generators import build_generator, patterns_of
from engine.plan import Surrogate
from engine.schedule import selection_trials
from engine.surrogates import Surrogates
from engine.tensors import as_float, on_device
from engine.warm_start import features_to_carry

# Every trial is saved.
train_generator = functools.partial(engine.train_generator, is_checkpoint_due=lambda: True)
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
        {"warm_start": "surrogates", "label_map": (1, 0, 2), "untargeted": "leave"},
        {
            "warm_start": "surrogates",
            "surrogates": (Surrogate("small-strided", 4), Surrogate("five-conv-cnn", 3, 0.5)),
            "renewals": (Surrogate("small-strided", 2), Surrogate("small-strided", 3, 0.5)),
            "augmentation": "crop-flip",
            "patterns": 5.0,
        },
        {  # the last trial of the warm start begins half a step before its end
            "warm_start": "surrogates",
            "steps": 21,
            "warm_fraction": 0.5,
            "surrogates": (Surrogate("small-strided", 4), Surrogate("small-strided", 3)),
            "renewals": (Surrogate("small-strided", 2),),
        },
        {"batch_size": 20, "outer_loss": "bounded"},  # a trial meets its images more than once
        {"schedule": "constant", "generator": "unet", "patterns": 2.0},
        {"textures": 2.0, "selections": 2},
        {
            "warm_start": "surrogates",
            "outer_loss": "steered",
            "victims": ("small-strided", "five-conv-cnn"),
        },
        {"victims": ("small-strided", "paper-mnist-cnn"), "population": 2, "lifetime": 10},
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
        again = list(saved[-1:])
        resumed = train_generator(
            images, labels, 3, plan, checkpoint=checkpoint, on_checkpoint=again.append
        )
        assert_same(resumed, whole)
        # The chosen generator may be an early one: the last state says more.
        last, expected = load(again[-1]), load(saved[-1])
        assert last.keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.equal(last[name], tensor), name


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
    worked: list[float] = []  # what this thread has computed so far: others may use the machine

    def note(progress: Progress) -> None:
        seen.append(progress)
        worked.append(time.thread_time())

    train_generator(
        images, labels, 3, replace(PLAN, steps=None, budget_seconds=2.0), on_progress=note
    )
    assert seen[0].phase == "measuring"
    fractions, seconds = [p.fraction for p in seen], [p.seconds for p in seen]
    assert fractions == sorted(fractions)
    assert seconds == sorted(seconds)
    assert fractions[-1] == 1.0
    assert max(b - a for a, b in itertools.pairwise(worked)) < 1.0


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
        {"most_steps": 0},
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
    trained = train_generator(images, labels, 2, replace(plan, steps=3))
    assert trained.summary.steps == 3
    moved = protect_images(trained, images, labels)
    assert 0 < largest_change(images, moved) <= 25


def test_four_gray_images_are_enough_for_a_measured_number_of_steps():
    images, labels = digits(4, 2, 28)
    plan = recipe(shape=(28, 28, 1), n_train=4, num_classes=2, epsilon=0.1, budget_seconds=1.0)
    trained = train_generator(images, labels, 2, replace(plan, most_steps=3))
    assert trained.summary.steps <= 3
    assert largest_change(images, protect_images(trained, images, labels)) <= 25


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


def test_classes_that_are_left_alone_keep_their_features():
    carried = features_to_carry(4, (1, 1, 2, 3), leave=True)
    assert carried[1].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert carried[2].tolist() == [0.0, 0.0, 1.0, 0.0]
    assert carried[0].tolist() == [0.25] * 4  # nothing is to be learned from what nothing maps to


def test_class_patterns_start_from_the_differences_of_mean_images():
    images, labels = digits(60, 3, 32)
    plan = replace(PLAN, patterns=4.0, steps=1, generator_lr=1e-9)
    trained = train_generator(images, labels, 3, plan)
    means = np.stack([images[labels == k].mean(0) / 255 for k in range(3)])
    start = patterns_of(trained.network).patterns.detach().numpy()[:, 0]
    # The split held out of 60 images moves the means a little.
    np.testing.assert_allclose(start[1], 4 * (means[0] - means[1])[..., 0], atol=0.15)


def test_no_more_steps_than_the_plan_has_use_for():
    images, labels = digits()
    plan = replace(PLAN, steps=None, budget_seconds=60.0, most_steps=3)
    assert train_generator(images, labels, 3, plan).summary.steps == 3


def test_surrogates_are_those_of_the_trial_however_they_came_to_be():
    images, labels = digits()
    train = on_device(images, labels, torch.device("cpu"))
    few = tuple(Surrogate("small-strided", n) for n in (1, 2, 3))
    plan = replace(PLAN, surrogates=few, renewals=few[:2])
    one, two = (Surrogates(plan, train, 3, 1.0, lambda: None) for _ in range(2))
    for trial in range(6):
        before = list(one.networks)
        now = one.at_trial(trial)
        if trial > 0:
            assert sum(a is not b for a, b in zip(before, now, strict=True)) == 1
    for a, b in zip(one.networks, two.at_trial(5), strict=True):
        for p, q in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize("most_bytes", [0, 1 << 30])
def test_what_is_kept_of_the_frozen_generator_is_what_it_gives(monkeypatch, most_bytes):
    monkeypatch.setattr("engine.frozen._MOST_BYTES", most_bytes)
    x, y = on_device(*digits(20), torch.device("cpu"))
    g = build_generator("encoder-decoder", 1, 3, 0.3, 8)
    batches = [torch.tensor(rows) for rows in ([3, 1, 4], [1, 5, 5], [4, 3, 1], [0, 2, 1])]
    frozen = Frozen(copy.deepcopy(g), x, y, batches)
    assert (frozen.kept is None) == (most_bytes == 0)
    for index in batches:
        expected = protected(g, as_float(x[index]), y[index])
        torch.testing.assert_close(frozen.images(index), expected)


def test_what_is_met_once_is_not_kept():
    x, y = on_device(*digits(20), torch.device("cpu"))
    g = build_generator("encoder-decoder", 1, 3, 0.3, 8)
    assert Frozen(g, x, y, [torch.tensor([0, 1]), torch.tensor([2, 3])]).kept is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"untargeted": "Leave"},
        {"augmentation": "flip"},
        {"schedule": "linear"},
        {"conditioning": "labels"},
        {"patterns": float("nan")},
        {"patterns": 1.0, "conditioning": "none"},
        {"textures": -1.0},
        {"textures": 2.0, "conditioning": "none"},
    ],
)
def test_a_plan_refuses_what_it_does_not_know(wrong):
    with pytest.raises(PlanError, match=next(iter(wrong))):
        replace(PLAN, **wrong)


def test_a_surrogate_that_learns_nothing_is_refused():
    with pytest.raises(PlanError, match="step"):
        Surrogate("small-strided", 0)
    with pytest.raises(PlanError, match="strength"):
        Surrogate("small-strided", 1, -1.0)


def test_the_budget_is_shared_among_surrogates_steps_and_selections():
    pace = Pace(surrogate=0.01, step=0.05, selection=2.0)
    for surrogate_steps in (0, 600, 20_000):  # the last are more than there is time for
        steps = steps_within(100.0, pace, 5, surrogate_steps)
        taught = surrogate_share(steps, surrogate_steps) * surrogate_steps
        assert 0.05 * steps + 0.01 * taught + 5 * 2.0 == pytest.approx(100.0, abs=0.1)
    assert steps_within(1.0, pace, 5, 600) >= 1
