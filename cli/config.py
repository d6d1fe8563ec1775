"""`unlearnable config`: every setting, its value, and where it came from."""

import os
from typing import Annotated

import typer

from cli.stack.info import find_running
from cli.up import DATA, DataOption
from core.settings_report import report


def config(
    data: DataOption = DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print every setting, its value (secrets masked), and where it came from.

    Those of this shell's environment; if a stack of `unlearnable up` runs on the data folder, those
    of its processes. Ends with 1 if no process would start on them.
    """
    running = find_running(data)
    if running is not None:
        os.environ.update(running.environment)
    found = report()
    print(found.to_json() if as_json else found.to_text())
    if found.problems:
        raise typer.Exit(1)
