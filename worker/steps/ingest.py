"""Validate every image of an upload, count, and write the canonical form."""

from typing import Any

from worker.context import StepContext
from worker.files import fetch_upload, store
from worker.layouts import CANONICAL_FILES, CONTACT_SHEET, Limits, read_in_sandbox


def run(context: StepContext) -> dict[str, Any]:
    """Read the upload in a sandbox and store what it holds.

    Returns:
        `summary` (layout, classes, counts, image shape) and `canonical_prefix`, where the arrays
        and the contact sheet lie in the store.

    Raises:
        BadDataset: the upload cannot be used; the owner is told why.
    """
    archive = fetch_upload(context)
    folder = context.scratch / "canonical"
    folder.mkdir()

    def on_progress(done: int, total: int) -> None:
        context.progress(0.05 + 0.85 * done / max(total, 1))

    limits = Limits(max_decoded_bytes=context.settings.max_dataset_bytes)
    summary = read_in_sandbox(
        archive, folder, limits, on_progress, cancelled=lambda: False, contact_sheet=True
    )
    prefix = f"{context.attempt_prefix}canonical/"
    sizes = {name: (folder / name).stat().st_size for name in CANONICAL_FILES}
    at, share = 0.9, 0.1 / sum(sizes.values())
    for name, size in sizes.items():
        store(context, folder / name, prefix + name, (at, at + share * size))
        at += share * size
    context.store.put_file(folder / CONTACT_SHEET, prefix + CONTACT_SHEET, "image/png")
    return {
        "summary": summary.to_json(),
        "canonical_prefix": prefix,
        "images": sum(sum(counts.values()) for counts in summary.counts.values()),
    }
