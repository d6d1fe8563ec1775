"""The evaluation of one protected dataset as many steps, and put together again.

The step that knows the protected images writes a `Design` down: what was tried and why the rest was
not. Each training is a step of its own, described by its payload; the last step makes the table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.tables import Job
from engine import Dataset, EvaluationPlan, LabelledImages, Learner, VictimReport
from engine.evaluation.evaluation_plan import jobs_of
from engine.evaluation.protection_table import ProtectionTable, assemble, judged_classes
from engine.evaluation.rows import Row, Skipped, TrainedOn
from engine.plan import Untargeted
from worker.layouts import Canonical
from worker.plans import evaluation_plan, options_of

Payload = dict[str, Any]


@dataclass(frozen=True)
class Design:
    """What an evaluation tries; JSON values only.

    Attributes:
        trainings: payload of each training step, in the order of the table.
        skipped: `Skipped` as dicts.
        judged: classes that the verdict is about; None is all.
        epsilon: bound of the perturbation, of the range [0, 1].
        label_map: eta, or None.
    """

    trainings: list[Payload]
    skipped: list[dict[str, str]]
    judged: list[int] | None
    epsilon: float
    label_map: list[int] | None


def dataset_of(data: Canonical) -> Dataset:
    """The data as the engine takes it, still mapped from its files."""
    return Dataset(
        LabelledImages(np.asarray(data.train_images), np.asarray(data.train_labels)),
        LabelledImages(np.asarray(data.test_images), np.asarray(data.test_labels)),
        len(data.summary.classes),
    )


def design(
    job: Job, data: Canonical, mask: NDArray[np.bool_], *, epsilon: float, untargeted: Untargeted
) -> Design:
    """Every training that a job's evaluation asks for, once for each seed.

    Args:
        job: says what is tried, and which label map was wanted.
        data: the clean dataset.
        mask: bool (N,), which training images are protected.
        epsilon: their bound.
        untargeted: see `engine.TrainingPlan`.
    """
    plan = evaluation_plan(options_of(job).evaluation, data.summary)
    jobs, skipped = jobs_of(plan, dataset_of(data), mask, epsilon)
    judged = judged_classes(
        np.asarray(data.train_labels),
        mask,
        len(data.summary.classes),
        None if job.label_map is None else tuple(job.label_map),
        untargeted,
    )
    return Design(
        trainings=[
            {"side": trained_on, "seed": seed, **asdict(learner)}
            for trained_on, learner in jobs
            for seed in plan.seeds
        ],
        skipped=[asdict(one) for one in skipped],
        judged=None if judged is None else list(judged),
        epsilon=epsilon,
        label_map=job.label_map,
    )


def learner_of(payload: Mapping[str, Any]) -> Learner:
    """Who trains in a training step; one of an older version may lack what is newer."""
    names = [field.name for field in fields(Learner)]
    return Learner(**{name: payload[name] for name in names if name in payload})


def table_of(
    design: Design,
    plan: EvaluationPlan,
    results: Sequence[Mapping[str, Any]],
    test_labels: NDArray[np.int64],
) -> ProtectionTable:
    """The table of trainings that other steps did.

    Args:
        design: what was tried.
        plan: what that was made from.
        results: {"payload", "result"} of each training step, in any order.
        test_labels: int64 (M,).
    """
    done = {_name(entry["payload"]): _report(entry["result"]) for entry in results}
    label_map = None if design.label_map is None else tuple(design.label_map)
    parts: dict[tuple[str, Learner], list[VictimReport]] = {}
    for payload in design.trainings:
        key = (payload["side"], learner_of(payload))
        parts.setdefault(key, []).append(done[_name(payload)])
    return assemble(
        plan,
        [
            Row.of(cast(TrainedOn, trained_on), learner, plan.seeds, reports, label_map)
            for (trained_on, learner), reports in parts.items()
        ],
        [Skipped(**one) for one in design.skipped],
        test_labels,
        epsilon=design.epsilon,
        label_map=label_map,
        judged=None if design.judged is None else tuple(design.judged),
    )


def result_of(report: VictimReport) -> dict[str, Any]:
    """A training's report as JSON values."""
    return {
        "accuracy": report.accuracy,
        "best_epoch_accuracy": report.best_epoch_accuracy,
        "train_accuracy": report.train_accuracy,
        "confusion": report.confusion.tolist(),
        "curve": list(report.curve),
        "train_curve": list(report.train_curve),
        "seconds": report.seconds,
    }


def _report(result: Mapping[str, Any]) -> VictimReport:
    return VictimReport(
        accuracy=result["accuracy"],
        best_epoch_accuracy=result["best_epoch_accuracy"],
        confusion=np.asarray(result["confusion"], np.int64),
        curve=tuple(result["curve"]),
        train_accuracy=result["train_accuracy"],
        seconds=result["seconds"],
        train_curve=tuple(result["train_curve"]),
    )


def _name(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True)
