"""Runs `read_archive` and `read_images` in a child process that has little to lose."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from worker.layouts.canonical import DatasetSummary, discard_canonical
from worker.layouts.contact_sheet import CONTACT_SHEET
from worker.layouts.few_images import FoundImage, ImageFile
from worker.layouts.limits import Limits
from worker.layouts.member_note import discard_note, last_member
from worker.layouts.problem import BadDataset, ReadCancelled, limits_problem
from worker.layouts.progress import OnProgress

_LOOK_EVERY_SECONDS: Final = 0.2
_READ_BYTES: Final = 1 << 16
_MAX_LINE_BYTES: Final = 16 << 20
_STDERR_SHOWN: Final = 2000


class ReaderCrashed(RuntimeError):
    """The reading process failed for a reason that is not the upload's: worth another try."""


def read_in_sandbox(
    archive: Path,
    out: Path,
    limits: Limits,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
    *,
    contact_sheet: bool = False,
) -> DatasetSummary:
    """`read_archive` in a process with limits, without network, credentials or other programs.

    The child gets an environment of its own, resource limits and the walls of `confine.py`. It
    ends with this process. Nothing is left in `out` unless it succeeds.

    Args:
        archive, out, limits, on_progress: as for `read_archive`.
        cancelled: asked five times a second; true stops the child.
        contact_sheet: also draw `CONTACT_SHEET` into `out`.

    Raises:
        BadDataset: as `read_archive`; `decoder_limits` if the child ran out of memory, time or
            disk or was killed, with the member that it was reading.
        ReadCancelled: `cancelled()` returned true.
        ReaderCrashed: the child failed otherwise; the message has the end of its stderr.
    """
    request = {
        "archive": str(archive.resolve()),
        "out": str(out.resolve()),
        "limits": asdict(limits),
        "contact_sheet": contact_sheet,
    }
    try:
        return DatasetSummary.from_json(_ask(request, out, limits, on_progress, cancelled))
    except BaseException:
        discard_canonical(out)
        (out / CONTACT_SHEET).unlink(missing_ok=True)
        raise


def read_images_in_sandbox(
    files: Sequence[ImageFile], out: Path, limits: Limits, cancelled: Callable[[], bool]
) -> list[FoundImage]:
    """`read_images` in such a process. What it leaves in `out` if it raises is good for nothing.

    Raises:
        BadDataset, ReadCancelled, ReaderCrashed: as `read_in_sandbox`.
    """
    resolved = [ImageFile(file.path.resolve(), file.name) for file in files]
    request = {
        "files": [file.to_json() for file in resolved],
        "out": str(out.resolve()),
        "limits": asdict(limits),
    }
    summary = _ask(request, out, limits, lambda _done, _total: None, cancelled)
    return [FoundImage(**image) for image in summary["images"]]


def _ask(
    request: Mapping[str, object],
    out: Path,
    limits: Limits,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """The summary with which a child answers the request."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "worker.layouts.sandbox"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + limits.sandbox_wall_seconds
            summary = _converse(child, request, deadline, on_progress, cancelled)
            if summary is None:
                raise _death(child, deadline, out, errors)
            return summary
        finally:
            child.kill()
            child.communicate()
            discard_note(out)


def _converse(
    child: subprocess.Popen[bytes],
    request: Mapping[str, object],
    deadline: float,
    on_progress: OnProgress,
    cancelled: Callable[[], bool],
) -> dict[str, Any] | None:
    """Pass progress on until the child has answered; None if it did not, or not in time."""
    if child.stdin is None or child.stdout is None:
        raise ValueError("the child needs pipes")
    try:
        child.stdin.write(json.dumps(request).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        return None
    for line in _lines(child.stdout):
        if cancelled():
            raise ReadCancelled
        if time.monotonic() > deadline:
            return None
        if line is None:
            continue
        message: dict[str, Any] = json.loads(line)
        if "progress" in message:
            on_progress(*message["progress"])
        elif "problem" in message:
            raise BadDataset.from_json(message["problem"])
        elif "summary" in message:
            summary: dict[str, Any] = message["summary"]
            return summary
    return None


def _lines(stdout: IO[bytes]) -> Iterator[bytes | None]:
    """The child's lines as they come, and None whenever none came for a while; ends with it."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(_LOOK_EVERY_SECONDS):
                yield None
                continue
            piece = os.read(stdout.fileno(), _READ_BYTES)
            if not piece:
                return
            *lines, pending = (pending + piece).split(b"\n")
            yield from lines
            if len(pending) > _MAX_LINE_BYTES:
                raise ReaderCrashed("the reading process wrote a line without end")


def _death(
    child: subprocess.Popen[bytes], deadline: float, out: Path, errors: IO[bytes]
) -> Exception:
    """What to raise for a child that gave no answer: its upload's fault if it was killed."""
    try:
        child.wait(max(0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return limits_problem("time", last_member(out))
    if child.returncode == -signal.SIGXCPU:
        return limits_problem("processor time", last_member(out))
    if child.returncode < 0:
        return limits_problem("memory", last_member(out))
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - _STDERR_SHOWN))
    shown = errors.read().decode(errors="replace").strip()
    return ReaderCrashed(f"the reading process ended with {child.returncode}: {shown}")


def _environment() -> dict[str, str]:
    """Nothing of ours but the way to this package: no keys, no addresses, no proxies."""
    return {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONUTF8": "1",
        # One thread: each further one reserves address space, which is limited.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve more than they use
    }
