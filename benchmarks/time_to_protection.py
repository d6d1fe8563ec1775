"""Clean-test accuracy of a fresh paper CNN against seconds of generator training.

    python -m benchmarks.time_to_protection --data FILE.npz --epsilon 0.3 --budget 120 --json

FILE holds x_train, y_train, x_test, y_test. The seconds count training with its selection; the
victims that are trained for this report come after it. Each point is the generator that a held-out
part of the training data had chosen by then. The test set is only read for the report.
"""

from __future__ import annotations

import argparse
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

import engine

POINTS = 5


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The four arrays, images as (N, H, W, C)."""
    with np.load(path, allow_pickle=False) as stored:
        data = {name: stored[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    for name in ("x_train", "x_test"):
        if data[name].ndim == 3:
            data[name] = data[name][..., None]
    for name in ("y_train", "y_test"):
        data[name] = data[name].astype(np.int64)
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epsilon", type=Fraction, required=True, help='a number, or "8/255"')
    parser.add_argument("--budget", type=float, required=True, help="seconds of training")
    parser.add_argument("--label-map", choices=["none", "shift"], default="none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", type=int, default=1, help="fresh victims (seeds) per point")
    parser.add_argument("--last-only", action="store_true", help="report the final generator only")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()

    data = read(options.data)
    classes = int(max(data["y_train"].max(), data["y_test"].max())) + 1
    shape = data["x_train"].shape[1:]
    n_train = len(data["x_train"])
    label_map = None
    if options.label_map == "shift":
        label_map = tuple((k + 1) % classes for k in range(classes))
    plan = engine.recipe(
        shape=(shape[0], shape[1], shape[2]),
        n_train=n_train,
        num_classes=classes,
        epsilon=float(options.epsilon),
        label_map=label_map,
        seed=options.seed,
        budget_seconds=options.budget,
    )
    saved: list[bytes] = []
    trained = engine.train_generator(
        data["x_train"], data["y_train"], classes, plan, on_checkpoint=saved.append
    )
    by_then = [engine.generator_from_checkpoint(checkpoint) for checkpoint in saved]
    if options.last_only:
        by_then = []
    every = max(1, len(by_then) // POINTS)
    victim, epochs = engine.choose_victims((shape[0], shape[1], shape[2]), classes, n_train)[0]
    points = []
    for generator in [*by_then[every - 1 : -1 : every], trained]:
        point = measure(generator, data, classes, victim, epochs, options.victims)
        points.append(point)
        if not options.json:
            print(point, flush=True)
    clean = train(data["x_train"], data, classes, victim, epochs, seed=0)
    facts = {
        "points": points,
        "baseline_accuracy": clean.accuracy,
        "epsilon": float(options.epsilon),
        "budget": options.budget,
        "steps": trained.summary.steps,
        "seconds_training": trained.summary.seconds,
        "victim": victim,
        "epochs": epochs,
        "seed": options.seed,
        "label_map": options.label_map,
        "held_out": [
            [point.steps, point.seconds, point.accuracy, point.targeted_success]
            for point in trained.summary.curve
        ],
        "threads": torch.get_num_threads(),
    }
    json.dump(facts, sys.stdout, indent=None if options.json else 2)
    print()


def measure(
    generator: engine.TrainedGenerator,
    data: dict[str, np.ndarray[Any, Any]],
    classes: int,
    victim: str,
    epochs: int,
    seeds: int,
) -> dict[str, Any]:
    """One point: mean over fresh victims, and each of them."""
    protected = engine.protect_images(generator, data["x_train"], data["y_train"])
    reports = [train(protected, data, classes, victim, epochs, seed) for seed in range(seeds)]
    accuracies = [report.accuracy for report in reports]
    point = {
        "seconds": generator.summary.seconds,
        "steps": generator.summary.steps,
        "clean_test_accuracy": float(np.mean(accuracies)),
        "targeted_success": None,
        "accuracies": accuracies,
        "best_epoch_accuracies": [report.best_epoch_accuracy for report in reports],
        "linf": engine.largest_change(data["x_train"], protected),
        "psnr": engine.psnr(data["x_train"], protected),
    }
    if generator.plan.label_map is not None:
        success = [engine.targeted_success(r.confusion, generator.plan.label_map) for r in reports]
        point["targeted_success"] = float(np.mean(success))
        point["targeted_successes"] = success
    return point


def train(
    images: np.ndarray[Any, Any],
    data: dict[str, np.ndarray[Any, Any]],
    classes: int,
    victim: str,
    epochs: int,
    seed: int,
) -> engine.VictimReport:
    """A fresh victim on these training images."""
    return engine.train_victim(
        images,
        data["y_train"],
        data["x_test"],
        data["y_test"],
        classes,
        victim=victim,
        epochs=epochs,
        seed=seed,
    )


if __name__ == "__main__":
    main()
