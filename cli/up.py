"""`unlearnable up`: the whole stack on this machine, until it is told to stop."""

import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.stack.errors import AlreadyRunning, StackError
from cli.stack.folder import write_private
from cli.stack.info import StackInfo
from cli.stack.stack import Stack

DATA = Path(".unlearnable")
SAMPLE = Path(__file__).parent / "data" / "mnist-sample.npz"
CHECK_SECONDS = 0.2
FAILED, RUNNING_ALREADY = 1, 3
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

DataOption = Annotated[Path, typer.Option(help="Folder that holds everything the stack writes.")]


def up(
    data: DataOption = DATA,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the API.", show_default="8000, or a free one"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON once ready, and nothing else.")
    ] = False,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write the same JSON here once ready; removed at the end."),
    ] = None,
) -> None:
    """Run the whole stack on this machine: servers, API, workers. Ctrl-C stops all of it.

    Ends with 0 after Ctrl-C or SIGTERM, with 1 if a part fails, with 3 if it runs already.
    """
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    out = Console(soft_wrap=True, highlight=False, markup=False, quiet=as_json)
    try:
        stack = Stack(
            data, port, report=lambda name, seconds: out.print(f"  {name:<12}{seconds:5.1f} s")
        )
        _serve(stack, out, as_json, ready_file)
    except AlreadyRunning as error:
        errors.print(str(error))
        raise typer.Exit(RUNNING_ALREADY) from None
    except StackError as error:
        errors.print(str(error))
        raise typer.Exit(FAILED) from None


def _serve(stack: Stack, out: Console, as_json: bool, ready_file: Path | None) -> None:
    """Hold the stack until a signal comes or a part dies."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        stack.halt()

    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` in scripts mean it
            signal.signal(number, stop)
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)  # of a run that was killed
    out.print(f"Starting on {stack.folder.root}")
    try:
        with stack as info:
            if ready_file is not None:
                write_private(ready_file, info.to_json() + "\n")
            if as_json:
                sys.stdout.write(info.to_json() + "\n")
                sys.stdout.flush()
            _show(info, out)
            while not stopping.wait(CHECK_SECONDS):
                stack.check()
            out.print("\nStopping (once more to hurry) ...")
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    out.print("Stopped.")


def first_request(info: StackInfo) -> str:
    """A command that uploads the sample; to be pasted into any shell on this machine."""
    return (
        f"curl -s {info.api_url}/v1/datasets -H 'Authorization: Bearer {info.api_key}' "
        f"-F file=@{shlex.quote(str(SAMPLE))}"
    )


def _show(info: StackInfo, out: Console) -> None:
    table = Table.grid(padding=(0, 3))
    rows = {
        "API": info.api_url,
        "Docs": info.docs_url,
        "API key": info.api_key,
        "S3": info.s3_endpoint_url,
        "PostgreSQL": _without_password(info.database_url),
        "Valkey": _without_password(info.broker_url),
        "Data": str(info.data),
        "Passwords": str(info.data / "secrets"),
        "Logs": str(info.logs),
    }
    if not info.postgres_data.is_relative_to(info.data):
        rows["Database in"] = f"{info.postgres_data} (its user may not enter the data folder)"
    for name, value in rows.items():
        table.add_row(name, value)
    out.print(f"\nReady in {info.seconds} s.\n")
    out.print(table)
    out.print("\nThe first request to try:\n")
    out.print(first_request(info))
    out.print("\nCtrl-C stops everything; the data stays.")


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    user, _, address = rest.rpartition("@")
    name = user.partition(":")[0]
    return f"{scheme.partition('+')[0]}://{name}{'@' if name else ''}{address}"
