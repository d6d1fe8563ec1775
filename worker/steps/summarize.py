"""Draw what the points of a study have measured, and write their table."""

import json
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import undefer

from core import lifecycle
from core.database import transaction
from core.studies import StudyPoint, as_number, points_of
from core.tables import Job
from engine.evaluation.figures import (
    EpsilonCurves,
    FractionCurves,
    Point,
    Series,
    draw_epsilon,
    draw_fraction,
)
from engine.evaluation.figures.style import OTHERS
from engine.evaluation.rows import TRAINED_ON_IN_WORDS
from worker.context import StepContext
from worker.drawings import Drawn, plain, save
from worker.files import dataset_of, job_of, keep

MOST_LINES: Final = len(OTHERS) + 1
CONTROLS: Final = ("random-noise", "class-patterns")


def run(context: StepContext) -> dict[str, Any]:
    """Write the figures and `study.json` from the evaluations of the study's jobs.

    Returns:
        `artifacts`: accuracy against epsilon (the paper's Figure 4) if there are several, accuracy
        against the protected fraction (Figure 5) if there are several, as PNG and PDF, and the
        table.
    """
    study = job_of(context)
    with transaction() as session:
        jobs = session.scalars(
            select(Job).where(Job.parent_id == study.id).options(undefer(Job.evaluation))
        ).all()
    points = [p for p in points_of(study, jobs) if p.status == lifecycle.SUCCEEDED]
    drawn = draw_study(points, plain(dataset_of(context).name), context.scratch)
    table = context.scratch / "study.json"
    told = [
        {
            "epsilon": as_number(point.epsilon),
            "fraction": point.fraction,
            "job_id": point.job.id if point.job else None,
            "accuracies": point.measured(),
        }
        for point in points
    ]
    table.write_text(json.dumps({"study_id": study.id, "points": told}, indent=2) + "\n")
    figures = [keep(context, path, "figure") for one in drawn for path in one.files]
    return {"artifacts": [*figures, keep(context, table, "study")]}


def draw_study(points: list[StudyPoint], dataset: str, folder: Path) -> list[Drawn]:
    """The figures for which there are several points, at least one point being measured."""
    first = points[0].job
    assert first is not None
    assert first.evaluation is not None
    about = {
        "dataset": dataset,
        "victim": first.evaluation["rows"][0]["victim"],
        "chance": first.evaluation["chance_accuracy"],
    }
    clean = Point(0.0, tuple(points[0].measured()["clean"]))
    drawn = []
    most = max(point.fraction for point in points)
    along = [point for point in points if point.fraction == most]
    if len(along) > 1:
        curves = EpsilonCurves(
            **about,
            protected=(clean, *(_at(as_number(one.epsilon), one, "protected") for one in along)),
            controls=tuple(
                Series(
                    TRAINED_ON_IN_WORDS[name],
                    tuple(_at(as_number(one.epsilon), one, name) for one in along),
                )
                for name in CONTROLS
                if all(name in one.measured() for one in along)
            ),
        )
        title = "Clean-test accuracy against epsilon"
        drawn.append(save("epsilon", title, draw_epsilon(curves), curves, folder))
    lines = {
        epsilon: [point for point in points if point.epsilon == epsilon]
        for epsilon in dict.fromkeys(point.epsilon for point in points)
    }
    if any(len(line) > 1 for line in lines.values()):
        fractions = FractionCurves(
            **about,
            protected=tuple(
                Series(
                    f"protected, epsilon {epsilon}",
                    (clean, *(_at(point.fraction, point, "protected") for point in line)),
                )
                for epsilon, line in list(lines.items())[-MOST_LINES:]
            ),
            remainder=tuple(
                _at(point.fraction, point, "remainder")
                for point in list(lines.values())[-1]
                if "remainder" in point.measured()
            ),
        )
        title = "Clean-test accuracy against the protected fraction"
        drawn.append(save("fraction", title, draw_fraction(fractions), fractions, folder))
    return drawn


def _at(x: float, point: StudyPoint, trained_on: str) -> Point:
    return Point(x, tuple(point.measured()[trained_on]))
