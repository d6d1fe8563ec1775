"""What the benchmarks that train a generator ask for in the same words, and what it comes to."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import engine
from engine.evaluation.augmentation import AUGMENTATIONS
from engine.label_map import shift


def add_data(parser: argparse.ArgumentParser) -> None:
    """--data."""
    parser.add_argument("--data", type=Path, required=True, help=".npz or image-folder archive")


def add_plan(
    parser: argparse.ArgumentParser, *, required: bool = True, recipe: str = "auto"
) -> None:
    """--epsilon, --budget, --recipe, --label-map, --conditioning, --seed: the generator."""
    parser.add_argument("--epsilon", type=Fraction, required=required, help='a number, or "8/255"')
    parser.add_argument("--budget", type=float, required=required, help="seconds of training")
    parser.add_argument("--recipe", default=recipe, help=f"name of an engine recipe ({recipe})")
    parser.add_argument("--label-map", choices=["none", "shift"], default="none")
    parser.add_argument(
        "--conditioning", choices=["label", "none"], help="g(x, y) or g(x); the recipe's if not"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the generator's training")


def add_victims(parser: argparse.ArgumentParser) -> None:
    """--victim, --epochs, --augmentation: who learns from the protected images."""
    parser.add_argument(
        "--victim",
        action="append",
        metavar="NAME[:EPOCHS]",
        help="may be given again, the first gives the headline; the usual ones for the data if not",
    )
    parser.add_argument("--epochs", type=int, help="of every victim that names none itself")
    parser.add_argument("--augmentation", choices=AUGMENTATIONS, default="none")


def plan_of(
    options: argparse.Namespace, dataset: engine.Dataset, *, seed: int
) -> engine.TrainingPlan:
    """The plan that the options of `add_plan` ask for.

    Raises:
        PlanError: it cannot be.
    """
    classes = dataset.num_classes
    return engine.recipe(
        options.recipe,
        shape=shape_of(dataset),
        n_train=len(dataset.train),
        num_classes=classes,
        epsilon=float(options.epsilon),
        label_map=shift(classes) if options.label_map == "shift" else None,
        seed=seed,
        budget_seconds=options.budget,
        conditioning=options.conditioning,
    )


def learners_of(options: argparse.Namespace, dataset: engine.Dataset) -> tuple[engine.Learner, ...]:
    """The learners that the options of `add_victims` ask for.

    Raises:
        PlanError: a victim or a number of epochs that there cannot be.
    """
    usual = engine.choose_victims(shape_of(dataset), dataset.num_classes, len(dataset.train))
    named: list[tuple[str, int | None]] = []
    for words in options.victim or [name for name, _ in usual]:
        name, _, epochs = words.partition(":")
        if epochs and not epochs.isdigit():
            raise engine.PlanError(f"--victim takes NAME or NAME:EPOCHS, not {words!r}")
        if name in dict(named):
            raise engine.PlanError(f"{name} is named twice")
        named.append((name, int(epochs) if epochs else options.epochs))
    return tuple(
        engine.Learner(
            name,
            # A victim that is not among the usual ones is trained as long as the first of them.
            epochs=dict(usual).get(name, usual[0][1]) if epochs is None else epochs,
            augmentation=options.augmentation,
        )
        for name, epochs in named
    )


def shape_of(dataset: engine.Dataset) -> tuple[int, int, int]:
    """(H, W, C)."""
    height, width, channels = dataset.train.images.shape[1:]
    return height, width, channels
