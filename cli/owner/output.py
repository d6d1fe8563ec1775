"""What a command says: results to standard output, the way there to standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from unlearnable import ApiError, DatasetRejected, Job, JobFailed, PairEvaluation, UnlearnableError

LINE_SECONDS = 15.0

OnBytes = Callable[[int, int], None]
OnJob = Callable[[Job | PairEvaluation], None]


class Output:
    """Speaks to a person, or with `as_json` to a program.

    Attributes:
        goes_on: what to tell whoever interrupts: how that is followed which goes on by itself.
    """

    def __init__(self, *, as_json: bool, console: Console | None = None) -> None:
        self.as_json = as_json
        self.goes_on: str | None = None
        self.console = console or Console(
            stderr=True, highlight=False, markup=False, soft_wrap=True, quiet=as_json
        )

    def say(self, text: str) -> None:
        """Something that happens on the way."""
        self.console.print(text)

    def result(self, answer: Any, text: str) -> None:
        """The command's result: for programs, or for people."""
        print(json.dumps(answer, ensure_ascii=False, default=str) if self.as_json else text)

    def table(self, answers: Sequence[Any], columns: Sequence[str], rows: list[list[str]]) -> None:
        """A list: for programs all that the API said, for people the columns."""
        if self.as_json:
            print(json.dumps({"data": answers}, ensure_ascii=False, default=str))
            return
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        out = Console(highlight=False, markup=False)
        # A terminal folds what is too wide; a script must get whole ids.
        if not out.is_terminal:
            out.width = 1000
        out.print(table)

    def error(self, error: UnlearnableError) -> None:
        """Why the command ends; for programs one line of JSON on standard error."""
        if self.as_json:
            print(json.dumps({"error": _told(error)}, ensure_ascii=False), file=sys.stderr)
            return
        self.console.print(str(error))
        for file in _bad_files(error)[1:]:
            self.console.print(f"  {file}")

    def interrupted(self) -> None:
        """That somebody pressed Ctrl-C, and what goes on all the same."""
        told = f"Interrupted. {self.goes_on or ''}".rstrip()
        if self.as_json:
            error = {"type": "Interrupted", "message": told}
            print(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr)
            return
        self.console.print(f"\n{told}")

    @contextmanager
    def bytes_of(self, what: str) -> Iterator[OnBytes]:
        """Shows bytes on their way."""
        if self.as_json or not self.console.is_terminal:
            yield _ByteLines(what, self.console)
            return
        columns = (
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=32),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(what, total=None)
            yield lambda done, whole: progress.update(task, completed=done, total=whole)

    @contextmanager
    def work(self) -> Iterator[OnJob]:
        """Shows a job or an evaluation while it runs."""
        if self.as_json or not self.console.is_terminal:
            yield _JobLines(self.console)
            return
        columns = (
            TextColumn("{task.fields[phase]:<11}"),
            BarColumn(bar_width=32),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("", total=1.0, phase="queued", note="")

            def show(job: Job | PairEvaluation) -> None:
                progress.update(task, completed=job.progress, phase=phase_of(job), note=_note(job))

            yield show


class _ByteLines:
    """A line now and then."""

    def __init__(self, what: str, console: Console) -> None:
        self._what, self._console = what, console
        self._said_at = float("-inf")

    def __call__(self, done: int, whole: int) -> None:
        if done == whole or (done and time.monotonic() - self._said_at > LINE_SECONDS):
            self._said_at = time.monotonic()
            self._console.print(f"{self._what:<11}  {decimal(done)} of {decimal(whole)}")


class _JobLines:
    """A line for each phase, and now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said_at, self._phase = float("-inf"), ""

    def __call__(self, job: Job | PairEvaluation) -> None:
        phase = phase_of(job)
        if phase != self._phase or time.monotonic() - self._said_at > LINE_SECONDS:
            parts = (f"{phase:<11}", f"{job.progress:4.0%}", _note(job))
            self._console.print("  ".join(part for part in parts if part))
            self._said_at, self._phase = time.monotonic(), phase


def phase_of(job: Job | PairEvaluation) -> str:
    """What it does, in a word."""
    phase = job.phase if isinstance(job, Job) else None
    return phase if phase is not None and job.status == "running" else job.status


def _note(job: Job | PairEvaluation) -> str:
    """What is left of it, and how it goes."""
    parts = []
    if job.estimated_finish_at is not None and not job.is_final:
        left = max(0.0, (job.estimated_finish_at - datetime.now(UTC)).total_seconds())
        parts.append(f"{left:.0f} s left, done at {job.estimated_finish_at.astimezone():%H:%M:%S}")
    if isinstance(job, Job):
        if job.queue_position is not None:
            parts.append(f"position {job.queue_position} in the queue")
        parts.append(_newest_metric(job.metrics))
    return "  ".join(filter(None, parts))


def _newest_metric(metrics: dict[str, Any]) -> str:
    """The newest accuracy, or else the newest loss: `held out accuracy 42.5 %`."""
    for ending, unit in (("accuracy", " %"), ("loss", "")):
        for name, value in reversed(metrics.items()):
            if name.endswith(ending) and isinstance(value, int | float):
                return f"{name.replace('_', ' ')} {value:.3g}{unit}"
    return ""


def _told(error: UnlearnableError) -> dict[str, Any]:
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, ApiError):
        names = ("status", "code", "param", "hint", "request_id")
        told |= {name: getattr(error, name) for name in names}
    if isinstance(error, DatasetRejected):
        told["dataset"] = error.dataset.raw
    if isinstance(error, JobFailed):
        told["job"] = error.job.raw
    return told


def _bad_files(error: UnlearnableError) -> list[str]:
    """Every file at fault, with what is wrong with it; the message has the first one."""
    report = error.validation_report if isinstance(error, ApiError) else None
    if isinstance(error, DatasetRejected):
        report = error.dataset.validation_report
    files = report.files if report else []
    return [f"{file.file or 'the upload'}: {file.message}" for file in files]
