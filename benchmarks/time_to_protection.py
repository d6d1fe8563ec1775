"""Clean-test accuracy of fresh victims against seconds of generator training.

    python -m benchmarks.time_to_protection --data FILE --epsilon 0.3 --budget 120 --json

FILE is an .npz or an archive of image folders (see `benchmarks.data`). The seconds count training
with its selection; the victims that are trained for this report come after it. Each point is the
generator that a held-out part of the training data had chosen by then: that of the last checkpoint
before the mark. Before the first choice it is the generator as it stood, and the point says
`"chosen": false`. The test set is only read for the report.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import engine
from benchmarks.data import read_dataset
from benchmarks.options import add_data, add_plan, add_victims, learners_of, plan_of

Point = dict[str, Any]

_POINTS = 5


def main(arguments: list[str] | None = None) -> int:
    """Run, and return the exit code: 0, or 2 if there was nothing to run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.time_to_protection", description=__doc__.split("\n", 1)[0]
    )
    add_data(parser)
    add_plan(parser, recipe="fast")  # which is about this learner: one who just trains
    add_victims(parser)
    parser.add_argument(
        "--seeds", type=int, default=1, help="trainings of generators, from --seed on (1)"
    )
    parser.add_argument("--victims", type=int, default=1, help="fresh victims (seeds) per point")
    parser.add_argument(
        "--mark",
        type=float,
        action="append",
        help=f"seconds to report at, may be given again; {_POINTS} equal parts of the budget if "
        "not. The end of the training is always reported",
    )
    parser.add_argument("--last-only", action="store_true", help="report the final generator only")
    parser.add_argument("--figure", type=Path, help="draw it: PATH.png, and PATH.json beside it")
    parser.add_argument("--json", action="store_true", help="print JSON on one line")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or options.victims < 1:
        parser.error("--seeds and --victims must be at least 1")
    try:
        facts = measure(options)
    except (engine.PlanError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    json.dump(facts, sys.stdout, indent=None if options.json else 2)
    print()
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    dataset, _ = read_dataset(options.data)
    learners = learners_of(options, dataset)
    plans = [plan_of(options, dataset, seed=options.seed + k) for k in range(options.seeds)]
    marks = [k / _POINTS * options.budget for k in range(1, _POINTS)]
    marks = [] if options.last_only else sorted(options.mark or marks)
    marks = [mark for mark in marks if mark < options.budget]
    runs = []
    for plan in plans:
        run = one_seed(dataset, plan, learners, marks, options.victims)
        runs.append(run)
        print(json.dumps(run), file=sys.stderr, flush=True)
    clean = [score(dataset, dataset.train, learner, (0,), None) for learner in learners]
    points = [point for run in runs for point in run["points"]]
    facts = {
        "points": points,
        "median": median([run["points"] for run in runs]),
        "baseline_accuracy": clean[0]["clean_test_accuracy"],
        "baseline_accuracies": {
            learner.victim: scored["clean_test_accuracy"]
            for learner, scored in zip(learners, clean, strict=True)
        },
        "epsilon": float(options.epsilon),
        "budget": options.budget,
        "plan": plans[0].to_json(),
        "runs": [{k: v for k, v in run.items() if k != "points"} for run in runs],
        "victim": learners[0].victim,
        "epochs": learners[0].epochs,
        "learners": [asdict(learner) for learner in learners],
        "seed": options.seed,
        "label_map": options.label_map,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    if options.figure is not None:
        draw(options, dataset, learners[0], points, facts["baseline_accuracy"])
    return facts


def one_seed(
    dataset: engine.Dataset,
    plan: engine.TrainingPlan,
    learners: tuple[engine.Learner, ...],
    marks: list[float],
    victims: int,
) -> dict[str, Any]:
    """Train one generator, then score what it was at each mark and at the end.

    The last point's mark is the plan's budget. A mark before the first checkpoint has no point.
    """
    saved: list[bytes] = []
    trained = engine.train_generator(
        dataset.train.images,
        dataset.train.labels,
        dataset.num_classes,
        plan,
        on_checkpoint=saved.append if marks else None,
    )
    by_then = [engine.generator_from_checkpoint(checkpoint) for checkpoint in saved]
    chosen: list[tuple[float, engine.TrainedGenerator]] = []
    for mark in marks:
        before = [g for g in by_then if g.summary.seconds <= mark]
        if before:
            chosen.append((mark, before[-1]))
    chosen.append((plan.budget_seconds, trained))
    points: list[Point] = []
    for mark, generator in chosen:
        if points and points[-1]["steps"] == generator.summary.steps:
            points.append({**points[-1], "mark": mark})  # no checkpoint since the last mark
            continue
        images = engine.protect_images(generator, dataset.train.images, dataset.train.labels)
        protected = dataset.train.with_images(images)
        scored = [
            score(dataset, protected, learner, tuple(range(victims)), plan.label_map)
            for learner in learners
        ]
        psnr = engine.psnr(dataset.train.images, images)
        point = {
            "seconds": generator.summary.seconds,
            "mark": mark,
            "seed": plan.seed,
            "steps": generator.summary.steps,
            "chosen": bool(generator.summary.curve),
            **scored[0],
            "by_victim": {learner.victim: s for learner, s in zip(learners, scored, strict=True)},
            "linf": engine.largest_change(dataset.train.images, images),
            "psnr": psnr if math.isfinite(psnr) else None,  # no image has changed yet
        }
        points.append(point)
    return {
        "seed": plan.seed,
        "points": points,
        "steps": trained.summary.steps,
        "seconds_training": trained.summary.seconds,
        "held_out": [
            [point.steps, point.seconds, point.accuracy, point.targeted_success]
            for point in trained.summary.curve
        ],
    }


def score(
    dataset: engine.Dataset,
    train: engine.LabelledImages,
    learner: engine.Learner,
    seeds: tuple[int, ...],
    label_map: tuple[int, ...] | None,
) -> dict[str, Any]:
    """What fresh victims, one a seed, get out of these training images: means, and each of them."""
    reports = [
        engine.fit_victim(train, dataset.test, dataset.num_classes, learner, seed=seed).report
        for seed in seeds
    ]
    accuracies = [report.accuracy for report in reports]
    scored: dict[str, Any] = {
        "clean_test_accuracy": statistics.fmean(accuracies),
        "targeted_success": None,
        "accuracies": accuracies,
        "best_epoch_accuracies": [report.best_epoch_accuracy for report in reports],
    }
    if label_map is not None:
        successes = [engine.targeted_success(r.confusion, label_map) for r in reports]
        scored["targeted_success"] = statistics.fmean(successes)
        scored["targeted_successes"] = successes
    return scored


def median(runs: list[list[Point]]) -> list[dict[str, Any]]:
    """The medians over the seeds at each mark that every seed has a point for."""
    medians = []
    for last in runs[0]:
        at = [point for run in runs for point in run if point["mark"] == last["mark"]]
        if len(at) < len(runs):
            continue
        targeted = [point["targeted_success"] for point in at]
        medians.append(
            {
                # A checkpoint lies before its mark; the end may lie behind the budget.
                "seconds": max(last["mark"], *(point["seconds"] for point in at)),
                "seconds_taken": [point["seconds"] for point in at],
                "clean_test_accuracy": statistics.median(p["clean_test_accuracy"] for p in at),
                "targeted_success": None if None in targeted else statistics.median(targeted),
                "by_victim": {
                    name: statistics.median(p["by_victim"][name]["clean_test_accuracy"] for p in at)
                    for name in last["by_victim"]
                },
                "seeds": len(at),
            }
        )
    return medians


def draw(
    options: argparse.Namespace,
    dataset: engine.Dataset,
    learner: engine.Learner,
    points: list[Point],
    baseline: float,
) -> None:
    """The first victim's accuracy against seconds, a line a seed."""
    from engine.evaluation.figures import Run, TimeCurves, draw_time_to_protection, save_figure

    runs = []
    for seed in dict.fromkeys(point["seed"] for point in points):
        # A generator that two marks share is drawn once.
        mine = {p["seconds"]: p for p in points if p["seed"] == seed}
        successes = [p["targeted_success"] for p in mine.values()]
        runs.append(
            Run(
                f"seed {seed}",
                tuple(mine),
                tuple(p["clean_test_accuracy"] for p in mine.values()),
                () if None in successes else tuple(successes),
            )
        )
    data = TimeCurves(
        dataset=options.data.name.split(".")[0],
        detail=f"epsilon {options.epsilon}, {learner.victim}",
        runs=tuple(runs),
        chance=100.0 * int(np.bincount(dataset.test.labels).max()) / len(dataset.test),
        baseline=baseline,
    )
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    save_figure(draw_time_to_protection(data), data, options.figure)


if __name__ == "__main__":
    sys.exit(main())
