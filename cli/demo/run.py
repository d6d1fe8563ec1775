"""The demo from its first line to its exit code."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.demo.check import BytesDiffer, check_protected
from cli.demo.table import results_table
from cli.owner.output import Output
from cli.owner.wishes import parse_map
from cli.stack.errors import StackError
from cli.stack.info import StackInfo, find_running
from cli.stack.stack import running_stack
from cli.up import DATA, SAMPLE, DataOption
from unlearnable import Evaluation, Unlearnable, UnlearnableError

OUT = Path("demo-output")
BASELINE_AT_LEAST = 95.0  # percent; below it, nothing is shown about protection
PROTECTED_AT_MOST = 15.0
FAILED, INTERRUPTED = 1, 130


class DemoFailed(Exception):
    """The demo ran, and did not show what it should. The message says what is missing."""


def demo(
    data: DataOption = DATA,
    out: Annotated[Path, typer.Option(help="Folder for everything that the job made.")] = OUT,
    epsilon: Annotated[str, typer.Option(help='The bound, such as 0.3 or "8/255".')] = "0.3",
    label_map: Annotated[
        str | None,
        typer.Option(help="Steer to wrong classes: `shift`, or pairs such as 0:1,1:2,2:0."),
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds to train the generator.", show_default="the server's"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Protect 12,000 real digits through the API, and show what is left to learn from them.

    Uses the stack that runs on the data folder, or starts one for the time of the demo. Ends with 0
    only if a classifier trained on the original reaches 95 % and one trained on the protected at
    most 15 %.
    """
    eta = parse_map(label_map)
    console = Console(highlight=False, soft_wrap=True)
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        if find_running(data) is None:
            console.print("Starting the stack (PostgreSQL, Valkey, S3, API, workers) ...")
        with running_stack(data) as info:
            _journey(info, console, out, epsilon, eta, budget, seed)
    except (StackError, UnlearnableError, DemoFailed) as error:
        errors.print(str(error))
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        errors.print("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None


def _journey(
    info: StackInfo,
    console: Console,
    out: Path,
    epsilon: str,
    label_map: str | dict[str, str] | None,
    budget: int | None,
    seed: int,
) -> None:
    """What a data owner does: upload, ask for a job, wait, read the proof, download, check."""
    console.print(f"API {info.api_url}, logs {info.logs}")
    started = time.monotonic()
    with Unlearnable(info.api_key, info.api_url) as client:
        console.print(f"Uploading {SAMPLE.name} ...")
        dataset = client.datasets.upload(SAMPLE, name="MNIST sample")
        job = client.jobs.create(
            dataset.id, epsilon=epsilon, label_map=label_map, seed=seed, budget_seconds=budget
        )
        console.print(f"Dataset {dataset.id} is ready; job {job.id} protects it.")
        try:
            with Output(as_json=False, console=console).work() as show:
                client.jobs.wait(job.id, on_progress=show)
        except KeyboardInterrupt:
            client.jobs.cancel(job.id)  # the stack may be somebody's, and go on running
            raise
        evaluation = client.jobs.evaluation(job.id)
        out.mkdir(parents=True, exist_ok=True)
        paths = {
            artifact.kind: client.artifacts.download(artifact, out)
            for artifact in client.artifacts.list(job.id)
        }
    seconds = time.monotonic() - started
    try:
        checked = check_protected(SAMPLE, paths["protected_dataset"], epsilon)
    except BytesDiffer as error:
        raise DemoFailed(f"The protected dataset is not what was promised: {error}.") from error
    if checked.linf != evaluation.linf:
        raise DemoFailed(
            f"The evaluation says that pixels moved by {evaluation.linf}/255; "
            f"in the file it is {checked.linf}/255."
        )
    console.print(results_table(evaluation, checked, seconds))
    console.print(evaluation.verdict.summary)
    console.print("\n".join(f"  {path}" for path in paths.values()))
    judge(evaluation)


def judge(evaluation: Evaluation) -> None:
    """Raise `DemoFailed` unless the figures show protection."""
    if evaluation.baseline_accuracy < BASELINE_AT_LEAST:
        raise DemoFailed(
            f"Nothing is shown: even a classifier trained on the original reaches only "
            f"{evaluation.baseline_accuracy:.1f} % (at least {BASELINE_AT_LEAST:.0f} % expected)."
        )
    if evaluation.protected_accuracy > PROTECTED_AT_MOST:
        raise DemoFailed(
            f"Not protected: a classifier trained on the protected images still reaches "
            f"{evaluation.protected_accuracy:.1f} % (at most {PROTECTED_AT_MOST:.0f} % expected). "
            "A longer --budget protects more surely."
        )
