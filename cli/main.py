"""The `unlearnable` command. Every command is a function in a module of its own."""

import typer

from cli.config import config
from cli.demo.run import demo
from cli.owner import datasets, jobs, keys, webhooks
from cli.owner.evaluate import EVALUATE_HELP, evaluate
from cli.owner.follow import STATUS_HELP, WAIT_HELP, status, wait
from cli.owner.protect import APPLY_HELP, PROTECT_HELP, apply, protect
from cli.up import up

app = typer.Typer(
    name="unlearnable",
    help="Release labelled images that nobody can train a working model on.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # they hold passwords
)
_THERE = "What you have at the service"
_HERE = "The service on this machine"

app.command(help=PROTECT_HELP)(protect)
app.command(help=APPLY_HELP)(apply)
app.command(help=EVALUATE_HELP)(evaluate)
app.command(help=STATUS_HELP)(status)
app.command(help=WAIT_HELP)(wait)
app.add_typer(jobs.app, name="jobs", rich_help_panel=_THERE)
app.add_typer(datasets.app, name="datasets", rich_help_panel=_THERE)
app.add_typer(datasets.generators, name="generators", rich_help_panel=_THERE)
app.add_typer(keys.app, name="keys", rich_help_panel=_THERE)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=_THERE)
app.command(rich_help_panel=_HERE)(up)
app.command(rich_help_panel=_HERE)(demo)
app.command(rich_help_panel=_HERE)(config)


if __name__ == "__main__":
    app()
