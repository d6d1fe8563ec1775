"""What a job has made, on this disk: what may be published, and apart from it what may not."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import typer

from cli.owner.exit_codes import CANCELLED, FAILED, NOT_DEMONSTRATED
from cli.owner.output import Output
from unlearnable import Artifact, Evaluation, Job, Unlearnable

PRIVATE, UNPACKED = "private", "images"
# The generator stays with the service, which applies it: whoever has it can undo the protection.
LEFT_THERE = frozenset({"generator"})


def make_folder(out: Path, mode: int = 0o777) -> None:
    """Make a folder that things go into, unless it is there.

    Raises:
        typer.BadParameter: it cannot be made.
    """
    try:
        out.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{out}: {error.strerror}", param_hint="--out") from None


def prepare(out: Path, *, unpack: bool) -> None:
    """Make the folders now: a job of hours shall not end at a folder that cannot be written.

    Raises:
        typer.BadParameter: they cannot be made, or images would come among others.
    """
    make_folder(out)
    make_folder(out / PRIVATE, mode=0o700)
    if unpack and (out / UNPACKED).exists():
        raise typer.BadParameter(
            f"{out / UNPACKED} is there already. Give another folder, or move it away.",
            param_hint="--out",
        )


def fetch(client: Unlearnable, output: Output, job: Job, out: Path, *, unpack: bool) -> Path:
    """Download a job's files into a folder that is `prepare`d.

    The protected dataset goes there, and whatever shows clean images into a folder `private`.

    Args:
        unpack: also unpack a protected zip.

    Returns:
        The protected dataset.
    """
    published: Path | None = None
    for artifact in client.artifacts.list(job.id):
        if artifact.kind not in LEFT_THERE:
            path = _fetch(client, output, artifact, out)
            published = path if artifact.kind == "protected_dataset" else published
    if published is None:
        output.say("The files of this job were kept as long as agreed, and are gone.")
        raise typer.Exit(FAILED)
    if unpack and published.suffix == ".zip":
        return _unpack(published, out / UNPACKED)
    return published


def _unpack(archive: Path, folder: Path) -> Path:
    """All of it or nothing."""
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(unfinished)  # which lets no name lead out of the folder
    return unfinished.rename(folder)


def _fetch(client: Unlearnable, output: Output, artifact: Artifact, out: Path) -> Path:
    folder = out if artifact.kind == "protected_dataset" else out / PRIVATE
    if artifact.kind != "protected_dataset":
        return client.artifacts.download(artifact, folder)
    with output.bytes_of("downloading") as tell:
        return client.artifacts.download(artifact, folder, on_progress=tell)


def conclude(
    output: Output,
    answer: dict[str, Any],
    evaluation: Evaluation,
    lines: list[str],
    *,
    require_protection: bool,
) -> None:
    """Say what came of it.

    Raises:
        typer.Exit: protection was required and is not demonstrated.
    """
    answer = {**answer, "evaluation": evaluation.raw}
    output.result(answer, "\n".join([evaluation.verdict.summary, *lines]))
    if require_protection and not evaluation.verdict.protects:
        output.say("Protection is not demonstrated.")
        raise typer.Exit(NOT_DEMONSTRATED)


def must_have_succeeded(output: Output, job: Job) -> None:
    """End the command unless a job that has ended has also succeeded.

    Raises:
        typer.Exit: it has not.
    """
    if job.status == "succeeded":
        return
    reason = f" {job.error.told}" if job.error else ""
    output.result({"job": job.raw}, f"{job.id} is {job.status}.{reason}")
    raise typer.Exit(CANCELLED if job.status == "cancelled" else FAILED)
