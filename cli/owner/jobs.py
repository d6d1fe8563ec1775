"""`unlearnable jobs`: list, show, cancel, pause, resume."""

from collections.abc import Callable
from itertools import islice
from typing import Annotated

import typer

from cli.owner.follow import in_words
from cli.owner.output import phase_of
from cli.owner.session import JsonOption, UrlOption, session
from unlearnable import Job, Unlearnable

app = typer.Typer(help="List, show, cancel, pause and resume jobs.", no_args_is_help=True)

LimitOption = Annotated[int, typer.Option(min=1, help="How many at most.")]
JobArgument = Annotated[str, typer.Argument(help="A job (job_...).", show_default=False)]


@app.command("list")
def list_jobs(limit: LimitOption = 20, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List jobs, newest first."""
    with session(url, as_json=as_json) as (client, output):
        found = list(islice(client.jobs.list(page_size=min(limit, 100)), limit))
        output.table(
            [job.raw for job in found],
            ("id", "status", "progress", "epsilon", "dataset", "created"),
            [
                [
                    job.id,
                    phase_of(job),
                    f"{job.progress:.0%}",
                    f"{job.max_change}/255",
                    job.dataset_id,
                    f"{job.created_at.astimezone():%Y-%m-%d %H:%M}",
                ]
                for job in found
            ],
        )


@app.command("show")
def show_job(job_id: JobArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Show a job and what has happened to it."""
    with session(url, as_json=as_json) as (client, output):
        job, events = client.jobs.get(job_id), list(client.jobs.events(job_id))
        lines = [
            f"{one.created_at.astimezone():%Y-%m-%d %H:%M:%S}  {one.message}" for one in events
        ]
        answer = {**job.raw, "events": [event.raw for event in events]}
        output.result(answer, "\n".join([in_words(job), *lines]))


@app.command()
def cancel(job_id: JobArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Call a job off. What it has done is deleted."""
    _change(lambda client: client.jobs.cancel(job_id), url, as_json)


@app.command()
def pause(job_id: JobArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Let a job rest. It keeps what it has done."""
    _change(lambda client: client.jobs.pause(job_id), url, as_json)


@app.command()
def resume(job_id: JobArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Let a paused job go on."""
    _change(lambda client: client.jobs.resume(job_id), url, as_json)


def _change(act: Callable[[Unlearnable], Job], url: str | None, as_json: bool) -> None:
    with session(url, as_json=as_json) as (client, output):
        job = act(client)
        output.result(job.raw, in_words(job))
