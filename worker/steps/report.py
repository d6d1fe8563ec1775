"""Put the evaluations of a job together, judge them, and list what the owner gets."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np

from core.epsilon import max_change
from engine import targeted_success
from engine.evaluation.verdict import judge
from worker.context import StepContext
from worker.files import dataset_of, job_of, keep
from worker.picture import add_caption


def run(context: StepContext) -> dict[str, Any]:
    """Assemble the evaluation and the manifest.

    Returns:
        `evaluation` (see `GET /v1/jobs/{id}/evaluation`) and `artifacts`, the rows to publish.
    """
    job = job_of(context)
    dataset = dataset_of(context)
    assert dataset.summary is not None
    classes: list[str] = dataset.summary["classes"]
    trained = context.result_of("train")
    protected = context.result_of("protect")
    victims = [{**entry["payload"], **entry["result"]} for entry in context.results_of("evaluate")]
    baseline = _mean(victims, "clean", "accuracy")
    after = _mean(victims, "protected", "accuracy")
    targeted = None
    if job.label_map is not None:
        targeted = _mean_targeted(victims, tuple(job.label_map))
    test_images = sum(dataset.summary["counts"]["test"].values())
    chance = 100 * max(dataset.summary["counts"]["test"].values()) / test_images
    verdict = judge(baseline, after, chance, test_images, targeted)
    epsilon = Fraction(job.epsilon)
    evaluation = {
        "baseline_accuracy": baseline,
        "protected_accuracy": after,
        "best_epoch_protected_accuracy": _mean(victims, "protected", "best_epoch_accuracy"),
        "targeted_success": targeted,
        "chance_accuracy": chance,
        "verdict": {"protects": verdict.protects, "summary": verdict.summary},
        "epsilon": float(epsilon),
        "max_change": max_change(epsilon),
        "linf": protected["linf"],
        "psnr_db": protected["psnr_db"],
        "protected_images": protected["images"],
        "test_images": test_images,
        "label_map": job.label_map,
        "classes": classes,
        "victims": victims,
        "training": trained["summary"],
        "plan": trained["plan"],
        "seconds_training": trained["seconds"],
        "seconds_total": _seconds_since(job.started_at) - job.paused_seconds,
    }
    picture = context.scratch / "preview.png"
    context.store.get_file(protected["picture_key"], picture)
    add_caption(
        picture,
        f"Clean-test accuracy of a fresh classifier: {baseline:.1f} % if trained on before, "
        f"{after:.1f} % if trained on after",
    )
    path = context.scratch / "evaluation.json"
    path.write_text(json.dumps(evaluation, indent=2, allow_nan=False) + "\n")
    artifacts = [
        protected["dataset"],
        keep(context, picture, "preview"),
        trained["generator"],
        keep(context, path, "evaluation"),
    ]
    manifest = context.scratch / "manifest.json"
    manifest.write_text(
        json.dumps(
            {
                "job_id": job.id,
                "dataset_id": dataset.id,
                "upload_sha256": dataset.sha256,
                "files": {row["name"]: row["sha256"] for row in artifacts},
            },
            indent=2,
        )
        + "\n"
    )
    return {
        "evaluation": evaluation,
        "artifacts": [*artifacts, keep(context, manifest, "manifest")],
    }


def _mean(victims: list[dict[str, Any]], side: str, field: str) -> float:
    return float(np.mean([victim[field] for victim in victims if victim["side"] == side]))


def _mean_targeted(victims: list[dict[str, Any]], label_map: tuple[int, ...]) -> float:
    return float(
        np.mean(
            [
                targeted_success(np.asarray(victim["confusion"]), label_map)
                for victim in victims
                if victim["side"] == "protected"
            ]
        )
    )


def _seconds_since(start: datetime | None) -> float:
    assert start is not None
    return (datetime.now(UTC) - start).total_seconds()
