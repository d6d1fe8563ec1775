"""Showing a job while it runs: a live bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from cli.client import FINAL, Job

POLL_SECONDS = 0.5
LINE_SECONDS = 15.0


def follow(look: Callable[[], Job], console: Console) -> Job:
    """Poll a job until it is final, showing phase, percent, estimated finish and metrics.

    Args:
        look: fetches the job's current state.
    """
    return _with_bar(look, console) if console.is_terminal else _with_lines(look, console)


def _with_bar(look: Callable[[], Job], console: Console) -> Job:
    columns = (
        TextColumn("{task.fields[phase]:<11}"),
        BarColumn(bar_width=32),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[finish]}  {task.fields[metrics]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0, phase="queued", finish="", metrics="")
        while True:
            job = look()
            progress.update(
                task,
                completed=job.progress,
                phase=job.phase or job.status,
                finish=_finish(job),
                metrics=_metrics(job.metrics),
            )
            if job.status in FINAL:
                progress.update(task, phase=job.status, finish="", metrics="")
                return job
            time.sleep(POLL_SECONDS)


def _with_lines(look: Callable[[], Job], console: Console) -> Job:
    said, phase = float("-inf"), ""
    while True:
        job = look()
        now_at = job.phase or job.status
        if now_at != phase or time.monotonic() - said > LINE_SECONDS:
            parts = (f"{now_at:<11}", f"{job.progress:4.0%}", _finish(job), _metrics(job.metrics))
            console.print("  ".join(part for part in parts if part))
            said, phase = time.monotonic(), now_at
        if job.status in FINAL:
            return job
        time.sleep(POLL_SECONDS)


def _finish(job: Job) -> str:
    if job.estimated_finish_at is None:
        return ""
    left = max(0.0, (job.estimated_finish_at - datetime.now(UTC)).total_seconds())
    return f"{left:.0f} s left, done at {job.estimated_finish_at.astimezone():%H:%M:%S}"


def _metrics(metrics: dict[str, Any]) -> str:
    """The newest accuracy, or else the newest loss: `held out accuracy 42.5 %`."""
    for ending, unit in (("accuracy", " %"), ("loss", "")):
        for name, value in reversed(metrics.items()):
            if name.endswith(ending) and isinstance(value, int | float):
                return f"{name.replace('_', ' ')} {value:.3g}{unit}"
    return ""
