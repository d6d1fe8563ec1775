"""Write a protected dataset once more, in another layout."""

import json
from typing import Any

from core import conversions
from worker.context import StepContext
from worker.files import fetch, job_of, keep
from worker.layouts import Limits, load_canonical, read_in_sandbox
from worker.layouts.converter import convert


def run(context: StepContext) -> dict[str, Any]:
    """Read the file that the owner gets, and write its images and labels in another layout.

    Returns:
        `artifacts`: the files, and a manifest with the SHA-256 of each and the class names.
    """
    job = job_of(context)
    layout, source = context.claim.payload["layout"], context.claim.payload["source"]
    path = context.scratch / source["name"]
    fetch(context, {source["object_key"]: path}, (0.0, 0.1))

    def reading(done: int, total: int) -> None:
        context.progress(0.1 + 0.2 * done / max(total, 1))

    def writing(done: int, total: int) -> None:
        context.progress(0.3 + 0.6 * done / max(total, 1))

    # In the sandbox: test images that came with the upload are in that file as they came.
    folder = context.scratch / "canonical"
    limits = Limits(max_decoded_bytes=context.settings.max_dataset_bytes).for_own_output()
    read_in_sandbox(path, folder, limits, reading, lambda: False)
    data = load_canonical(folder)
    files = [
        keep(context, file, conversions.FILES, (0.9, 0.98))
        for file in convert(data, layout, context.scratch, writing)
    ]
    manifest = context.scratch / f"manifest-{layout}.json"
    told = {
        "job_id": job.parent_id,
        "layout": layout,
        "source": {"name": source["name"], "sha256": source["sha256"]},
        "classes": data.summary.classes,
        "images": {"train": len(data.train_labels), "test": len(data.test_labels)},
        "files": {row["name"]: row["sha256"] for row in files},
    }
    manifest.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return {
        "artifacts": [*files, keep(context, manifest, conversions.MANIFEST)],
        "images": len(data.train_labels) + len(data.test_labels),
    }
