"""The child process that reads an upload: `python -m worker.layouts.sandbox`.

It takes one JSON line on stdin (see `sandboxed.py`), gives up what it does not need, reads the
archive or the images, and answers with JSON lines on stdout: {"walls": [...]}, any number of
{"progress": [done, total]}, and at the end {"summary": {...}} or {"problem": {...}}. It ends when
stdin does, so that it does not outlive the process that asked.
"""

import errno
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

# Pillow loads its plugins on first use; once confined, that would be too late to fail early.
from PIL import JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401

from worker.layouts.confine import confine
from worker.layouts.contact_sheet import draw_contact_sheet
from worker.layouts.few_images import ImageFile, read_images
from worker.layouts.limits import MIB, Limits
from worker.layouts.member_note import MemberNote
from worker.layouts.parquet_file import is_parquet, load_pyarrow
from worker.layouts.problem import BadDataset, limits_problem
from worker.layouts.reader import read_archive

_ORPHANED: Final = 3

# What the limits of `confine` raise, and what ran out then.
_EXHAUSTED: Final = {errno.EFBIG: "disk space", errno.ENOMEM: "memory"}


def main() -> int:
    request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    if "archive" in request and is_parquet(Path(request["archive"])):
        load_pyarrow()
    limits = Limits(**request["limits"])
    out = Path(request["out"])
    out.mkdir(parents=True, exist_ok=True)
    walls = confine(
        memory_bytes=limits.sandbox_memory_bytes,
        cpu_seconds=limits.sandbox_cpu_seconds,
        file_bytes=limits.max_decoded_bytes + 64 * MIB,
    )
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _tell({"walls": walls})
    member_note = MemberNote(out)
    try:
        summary = _read(request, out, limits, member_note.write)
    except BadDataset as problem:
        _tell({"problem": problem.to_json()})
    except MemoryError:
        _tell({"problem": limits_problem("memory", member_note.read()).to_json()})
    except OSError as error:
        if error.errno not in _EXHAUSTED:
            raise
        what = _EXHAUSTED[error.errno]
        _tell({"problem": limits_problem(what, member_note.read()).to_json()})
    else:
        _tell({"summary": summary})
    return 0


def _read(
    request: Mapping[str, Any], out: Path, limits: Limits, on_member: Callable[[str], None]
) -> dict[str, Any]:
    if "files" in request:
        files = [ImageFile.from_json(file) for file in request["files"]]
        found = read_images(files, out, limits, on_member)
        return {"images": [image.to_json() for image in found]}
    summary = read_archive(
        Path(request["archive"]),
        out,
        limits,
        lambda done, total: _tell({"progress": [done, total]}),
        on_member,
    )
    if request.get("contact_sheet"):
        draw_contact_sheet(out)
    return summary.to_json()


def _tell(message: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os._exit(_ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
