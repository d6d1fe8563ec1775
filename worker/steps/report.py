"""Put the evaluations of a job together, judge them, and list what the owner gets."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine import integer_bound
from engine.evaluation.protection_table import ProtectionTable
from worker.context import StepContext
from worker.drawings import Drawn, draw_figures
from worker.evaluation import Design, table_of
from worker.files import dataset_of, fetch_canonical, job_of, keep
from worker.picture import add_caption
from worker.plans import evaluation_plan, options_of
from worker.published import measured, trained_of
from worker.report_page import report_page


def run(context: StepContext) -> dict[str, Any]:
    """Assemble the evaluation, its report and the manifest.

    Returns:
        `evaluation` (see `GET /v1/jobs/{id}/evaluation`) and `artifacts`, the rows to publish.
    """
    job = job_of(context)
    dataset = dataset_of(context)
    data = fetch_canonical(context)
    protected = measured(context, job)
    trained = None if job.kind == "evaluation" else trained_of(context, job)
    results = context.results_of("evaluate")
    table = table_of(
        Design(**protected["design"]),
        evaluation_plan(options_of(job).evaluation, data.summary),
        results,
        np.asarray(data.test_labels),
    )
    trainings = [{**entry["payload"], **entry["result"]} for entry in results]
    evaluation = {
        **_figures_of_merit(table, trainings),
        "epsilon": protected["design"]["epsilon"],
        "max_change": integer_bound(protected["design"]["epsilon"]),
        "linf": protected["linf"],
        "psnr_db": protected["psnr_db"],
        "protected_images": protected["images"],
        "label_map": job.label_map,
        "classes": data.summary.classes,
        "training": trained and trained["summary"],
        "plan": trained and trained["plan"],
        "seconds_training": trained and trained["seconds"],
        "seconds_total": _seconds_since(job.started_at) - job.paused_seconds,
    }
    picture = _preview(context, protected["picture_key"], table)
    figures = draw_figures(table, trainings, dataset.name, data.summary.classes, context.scratch)
    page = context.scratch / "report.html"
    page.write_text(
        report_page(
            table,
            [picture, *figures],
            dataset=dataset.name,
            subject=_subject(table, protected["images"], protected["linf"]),
            footer=f"{job.id}, dataset {dataset.id}, SHA-256 of the upload {dataset.sha256}.",
        ),
        encoding="utf-8",
    )
    path = context.scratch / "evaluation.json"
    path.write_text(json.dumps(evaluation, indent=2, allow_nan=False) + "\n")
    artifacts = [
        *([] if trained is None else [protected["dataset"]]),
        *([trained["generator"]] if trained and job.generator_id is None else []),
        keep(context, picture.path, "preview"),
        keep(context, path, "evaluation"),
        keep(context, page, "report"),
        *(keep(context, path, "figure") for figure in figures for path in figure.files),
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
        "generator": trained,
    }


def _figures_of_merit(table: ProtectionTable, trainings: list[dict[str, Any]]) -> dict[str, Any]:
    success = table.plain.targeted_success
    told = table.to_json()
    return {
        "baseline_accuracy": table.headline(table.baseline).mean,
        "protected_accuracy": table.headline(table.plain).mean,
        "worst_accuracy": table.headline(table.worst).mean,
        "worst_learner": told["headline"]["worst_learner"],
        "best_epoch_protected_accuracy": table.plain.best_epoch_accuracy.mean,
        "targeted_success": None if success is None else success.mean,
        "chance_accuracy": table.chance,
        "verdict": told["verdict"],
        "test_images": table.test_images,
        "judged_classes": told["judged"],
        "rows": [_light(row) for row in told["rows"]],
        "skipped": told["skipped"],
        "victims": trainings,
    }


def _light(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what each of its trainings tells in `victims`."""
    kept = ("trained_on", "seeds", "accuracies", "accuracy", "best_epoch_accuracy")
    learner = {name: row["learner"][name] for name in ("victim", "epochs", "augmentation")}
    return {
        **{name: row[name] for name in kept},
        **learner,
        "countermeasure": row["learner"]["countermeasure"],
        "targeted_success": row["targeted_success"],
    }


def _preview(context: StepContext, key: str, table: ProtectionTable) -> Drawn:
    path: Path = context.scratch / "preview.png"
    context.store.get_file(key, path)
    before, after = table.headline(table.baseline).mean, table.headline(table.plain).mean
    caption = (
        f"Clean-test accuracy of a fresh classifier: {before:.1f} % if trained on before, "
        f"{after:.1f} % if trained on after"
    )
    add_caption(path, caption)
    return Drawn(path, "Before, noise, after", f"A sample of each class in three rows. {caption}.")


def _subject(table: ProtectionTable, images: int, linf: int) -> str:
    bound = integer_bound(table.epsilon)
    return f"{images:,} images protected; no pixel moved by more than {linf}/255 (bound: {bound})."


def _seconds_since(start: datetime | None) -> float:
    assert start is not None
    return (datetime.now(UTC) - start).total_seconds()
