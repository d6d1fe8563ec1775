"""`unlearnable status` and `wait`: following what runs."""

from pathlib import Path
from typing import Annotated

import typer

from cli.owner import exit_codes
from cli.owner.output import phase_of
from cli.owner.protect import RequireOption, finish
from cli.owner.results import conclude
from cli.owner.session import JsonOption, UrlOption, session
from unlearnable import Job, PairEvaluation

IdArgument = Annotated[
    str,
    typer.Argument(help="A job (job_...) or an evaluation (eval_...).", show_default=False),
]

STATUS_HELP = """Say what a job or an evaluation does now, and end.

Example:

    unlearnable status job_01k9x2w0c5e7h9k1m3p5r7t9vx
"""

WAIT_HELP = f"""Wait until a job or an evaluation has ended; with --out, download what it has made.

It may be interrupted and run again as often as you like, also while the API is restarted.

Example:

    unlearnable wait job_01k9x2w0c5e7h9k1m3p5r7t9vx --out ./protected

{exit_codes.MEANINGS}"""


def status(id_: IdArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    with session(url, as_json=as_json) as (client, output):
        found: Job | PairEvaluation = (
            client.evaluations.get(id_) if id_.startswith("eval_") else client.jobs.get(id_)
        )
        output.result(found.raw, in_words(found))


def in_words(found: Job | PairEvaluation) -> str:
    """A job in a line or two."""
    line = f"{found.id}  {phase_of(found)}  {found.progress:.0%}"
    if found.estimated_finish_at is not None and not found.is_final:
        line += f"  done at {found.estimated_finish_at.astimezone():%H:%M:%S}"
    return f"{line}\n{found.error.told}" if found.error else line


def wait(
    id_: IdArgument,
    out: Annotated[
        Path | None, typer.Option(help="Download into this folder.", show_default=False)
    ] = None,
    unpack: Annotated[
        bool, typer.Option("--unpack", help="Unpack a protected zip into the folder `images`.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to wait at most.", show_default=False)
    ] = None,
    require_protection: RequireOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    with session(url, as_json=as_json) as (client, output):
        output.goes_on = f"{id_} goes on."
        if not id_.startswith("eval_"):
            finish(client, output, id_, out, unpack, require_protection, timeout)
            return
        with output.work() as show:
            done = client.evaluations.wait(id_, timeout=timeout, on_progress=show)
        assert done.result is not None
        conclude(output, {"id": done.id}, done.result, [], require_protection=require_protection)
