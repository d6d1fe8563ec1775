"""What every command of an owner begins and ends with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli.owner.exit_codes import INTERRUPTED, code_of
from cli.owner.output import Output
from unlearnable import Unlearnable, UnlearnableError

UrlOption = Annotated[
    str | None,
    typer.Option(
        help="Address of the API. The key comes from UNLEARNABLE_API_KEY; without both, they are "
        "those of the stack that `unlearnable up` runs in this folder.",
        envvar="UNLEARNABLE_URL",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing on the way.")
]


@contextmanager
def session(url: str | None, *, as_json: bool) -> Iterator[tuple[Unlearnable, Output]]:
    """A client, and somewhere to speak. Errors become messages and exit codes."""
    output = Output(as_json=as_json)
    try:
        with Unlearnable(base_url=url) as client:
            yield client, output
    except UnlearnableError as error:
        output.error(error)
        raise typer.Exit(code_of(error)) from None
    except KeyboardInterrupt:
        output.interrupted()
        raise typer.Exit(INTERRUPTED) from None
