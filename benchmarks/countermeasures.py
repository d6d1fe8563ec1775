"""What every learner that was tried gets out of one protected dataset, and how fast it is made.

    python -m benchmarks.countermeasures --data FILE --epsilon 8/255 --budget 180 \\
        --victim five-conv-cnn:30 --augmentation crop-flip --controls \\
        --save-generator g.safetensors --known rows.json --out DIR

Trains a generator on all training images (or takes one that was saved), protects them, and runs
`engine.evaluate_protection`. Rows come to stderr as they are done; --known keeps them, so that the
same command goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import engine
from benchmarks.data import read_dataset
from benchmarks.known_rows import KnownRows, fingerprint
from benchmarks.options import add_data, add_plan, add_victims, learners_of, plan_of
from benchmarks.paper.facts import machine, today, versions
from benchmarks.paper.workbench import write_whole
from benchmarks.protecting_speed import images_per_second
from engine.evaluation.figures import (
    CountermeasureBars,
    CountermeasureRow,
    draw_countermeasures,
    save_figure,
)
from engine.evaluation.rows import TRAINED_ON_IN_WORDS, Row
from engine.evaluation.studies import training_subset
from engine.evaluation.table import ProtectionTable


def main(arguments: list[str] | None = None) -> int:
    """Run, and return the exit code: 0, or 2 if there was nothing to run."""
    options = parsed(arguments)
    try:
        facts, table = measure(options)
        if options.out is not None:
            write(options, facts, table)
    except (engine.PlanError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(facts) if options.json else in_words(facts, table), end="\n")
    return 0


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The options, those that exclude one another checked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.countermeasures", description=__doc__.split("\n", 1)[0]
    )
    add_data(parser)
    add_plan(parser, required=False)
    add_victims(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--generator", type=Path, help="a generator saved earlier; trains none")
    source.add_argument(
        "--save-generator",
        type=Path,
        help="keep the generator here; one of the same plan that is there is taken, not trained",
    )
    parser.add_argument(
        "--countermeasures", default="all", help='"all", "none", or names with commas between'
    )
    parser.add_argument(
        "--controls",
        action="store_true",
        help="try the counter-measures on random noise and class patterns too, not only plain "
        "training",
    )
    parser.add_argument(
        "--clean",
        action="store_true",
        help="try them on the clean images too: what they cost a learner by themselves",
    )
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each learner (1)")
    parser.add_argument(
        "--train-images", type=int, help="victims learn from that many images; all if not"
    )
    parser.add_argument("--known", type=Path, help="JSON of rows that are done")
    parser.add_argument("--json", action="store_true", help="print JSON on one line, not Markdown")
    parser.add_argument(
        "--out", type=Path, help="folder for table.json, table.md and the figure as well"
    )
    options = parser.parse_args(arguments)
    if options.generator is None and (options.epsilon is None or options.budget is None):
        parser.error("--epsilon and --budget are needed to train a generator")
    if options.known is not None and options.generator is None and options.save_generator is None:
        parser.error("--known goes with the generator it belongs to: add --save-generator FILE")
    if options.seeds < 1:
        parser.error("--seeds must be at least 1")
    return options


def measure(options: argparse.Namespace) -> tuple[dict[str, Any], ProtectionTable]:
    """Everything that is printed, and the table."""
    dataset, classes = read_dataset(options.data)
    names = options.countermeasures
    tried = engine.COUNTERMEASURES if names == "all" else names.split(",")
    # Before the generator is trained: what cannot be is refused at once.
    plan = engine.EvaluationPlan(
        victims=learners_of(options, dataset),
        seeds=tuple(range(options.seeds)),
        countermeasures=() if names == "none" else tuple(tried),
        controls_under_countermeasures=options.controls,
        clean_under_countermeasures=options.clean,
    )
    index = training_subset(dataset.train.labels, options.train_images or len(dataset.train))
    generator = trained_or_saved(options, dataset)
    speed = images_per_second(generator, dataset.train)
    clean = engine.Dataset(
        engine.LabelledImages(dataset.train.images[index], dataset.train.labels[index]),
        dataset.test,
        dataset.num_classes,
    )
    images = engine.protect_images(generator, clean.train.images, clean.train.labels)
    known = KnownRows.read(options.known, fingerprint(clean, images, generator.plan))
    for row in known.rows.values():
        say(f"known: {row_in_words(row)}")

    def on_row(row: Row) -> None:
        if row.key not in known.rows:
            known.add(row)
            say(row_in_words(row))

    table = engine.evaluate_protection(
        clean,
        images,
        plan,
        generator.plan.label_map,
        epsilon=generator.plan.epsilon,
        on_row=on_row,
        known=dict(known.rows),
    )
    facts = {
        **table.to_json(),
        "data": options.data.name,
        "classes": list(classes),
        "shape": list(clean.train.images.shape[1:]),
        # A generator that was saved elsewhere does not say on how many it was trained.
        "generator_images": None if options.generator is not None else len(dataset.train),
        "train_images": len(clean.train),
        "linf": engine.largest_change(clean.train.images, images),
        "psnr": finite(engine.psnr(clean.train.images, images)),
        "ssim": engine.ssim(clean.train.images, images),
        "images_per_second": speed,
        "training": {
            "plan": generator.plan.to_json(),
            "steps": generator.summary.steps,
            "seconds": generator.summary.seconds,
        },
        "date": today(),
        "machine": machine(),
        "versions": versions(),
    }
    return facts, table


def trained_or_saved(
    options: argparse.Namespace, dataset: engine.Dataset
) -> engine.TrainedGenerator:
    """The generator that the options name, or a new one."""
    if options.generator is not None:
        generator = engine.TrainedGenerator.from_bytes(options.generator.read_bytes())
        if generator.num_classes != dataset.num_classes:
            raise engine.PlanError(
                f"the generator was trained on {generator.num_classes} classes, this dataset has "
                f"{dataset.num_classes}"
            )
        if options.epsilon is not None and float(options.epsilon) != generator.plan.epsilon:
            raise engine.PlanError(
                f"the generator was trained for epsilon {generator.plan.epsilon:.6g}, not "
                f"{float(options.epsilon):.6g}: leave --epsilon out, or train one"
            )
        return generator
    plan = plan_of(options, dataset, seed=options.seed)
    kept: Path | None = options.save_generator
    if kept is not None and kept.exists():
        generator = engine.TrainedGenerator.from_bytes(kept.read_bytes())
        if generator.plan != plan:
            raise engine.PlanError(
                f"{kept.name} holds a generator of another plan: take it with --generator, or name "
                "another file"
            )
        say(f"{kept.name} holds a generator of this plan: it is taken")
        return generator
    say(f"training a generator for {plan.budget_seconds:g} s at most")
    train = dataset.train
    generator = engine.train_generator(train.images, train.labels, dataset.num_classes, plan)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, generator.to_bytes())
    return generator


def write(options: argparse.Namespace, facts: dict[str, Any], table: ProtectionTable) -> None:
    """table.json, table.md and the figure."""
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    text = in_words(facts, table)
    (out / "table.json").write_text(json.dumps(facts, indent=1) + "\n")
    first = table.plan.victims[0].victim
    bars = CountermeasureBars(
        options.data.name.split(".")[0],
        f"epsilon {table.epsilon:.3g}, {first}",
        tuple(bar(table, row) for row in table.rows if is_bar(row, first)),
        table.baseline.accuracy.mean,
        table.chance,
    )
    saved = save_figure(draw_countermeasures(bars), bars, out / "counter-measures")
    (out / "table.md").write_text(f"{text}\n\n{saved.markdown()}\n")


def is_bar(row: Row, victim: str) -> bool:
    """Whether the figure has a bar for the row: what the first victim learned when protected."""
    return row.trained_on == "protected" and row.learner.victim == victim


def bar(table: ProtectionTable, row: Row) -> CountermeasureRow:
    """One counter-measure with what it does to the clean images and to the controls."""
    clean = table.row("clean", row.learner)
    controls = {
        TRAINED_ON_IN_WORDS[control]: found.accuracies
        for control in table.plan.controls
        if (found := table.row(control, row.learner)) is not None
    }
    return CountermeasureRow(
        row.learner.countermeasure,
        row.accuracies,
        () if clean is None or row.learner == table.plan.victims[0] else clean.accuracies,
        controls,
    )


def in_words(facts: dict[str, Any], table: ProtectionTable) -> str:
    """The table in Markdown with the other figures below it."""
    speed, training = facts["images_per_second"], facts["training"]
    seen = facts["generator_images"]
    trained_on = "images of an earlier run" if seen is None else f"{seen:,} images"
    psnr = "infinite" if facts["psnr"] is None else f"{facts['psnr']:.1f} dB"
    return (
        f"{table.to_markdown()}\n"
        f"L-infinity {facts['linf']}/255, PSNR {psnr}, SSIM {facts['ssim']:.3f}. Generator: "
        f"{training['steps']} steps in {training['seconds']:.0f} s on {trained_on}; "
        f"victims learned from {facts['train_images']:,}.\n\n"
        f"Images a second: protected {speed['protect']:,.0f}; from PNG {speed['decode_png']:,.0f}; "
        f"to PNG {speed['encode_png']:,.0f}. {facts['date']}, {facts['machine']}."
    )


def row_in_words(row: Row) -> str:
    """One line: the row's name, accuracy in percent, seconds."""
    targeted = row.targeted_success
    steered = "" if targeted is None else f", targeted {targeted} %"
    return f"{row.key}: {row.accuracy} %{steered} in {row.seconds:.0f} s"


def finite(value: float) -> float | None:
    """The value, or None for those that JSON has not."""
    return value if math.isfinite(value) else None


def say(line: str) -> None:
    """A line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
