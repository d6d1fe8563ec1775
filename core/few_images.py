"""A few images that are protected at once, without a dataset: how many, and where they lie.

The API puts them into the store under the job's own prefix, for a worker's sandbox to read; their
names lie beside them and not in the database. All of it goes once the answer is given, and what was
not fetched goes with the job's files (`worker.retention`).
"""

from typing import Final, TypedDict

from core.object_store import job_prefix

KIND: Final = "images"
"""Of the job and of its one step."""

PRIORITY: Final = 1000
"""Of the step among those of its tenant: somebody holds a connection open for it."""

MAX_FILES: Final = 16
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_IMAGES: Final = 64
MAX_SIDE: Final = 2048
MAX_PIXEL_BYTES: Final = 32 * 1024 * 1024
"""Of all decoded images together; about what the answer may have, as noise hardly packs."""

INDEX: Final = "index.json"


class Sent(TypedDict):
    """One file of the request: its name, and the class of its images if that was said."""

    name: str
    label: int | None


def inputs_prefix(tenant_id: str, job_id: str) -> str:
    """Where the files lie, as `0`, `1`, ..., with `INDEX`, a JSON list of `Sent`."""
    return f"{job_prefix(tenant_id, job_id)}inputs/"
