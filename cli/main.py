"""The `unlearnable` command. Every command is a function in a module of its own."""

import typer

from cli.config import config
from cli.demo.run import demo
from cli.up import up

app = typer.Typer(
    name="unlearnable",
    help="Release labelled images that nobody can train a working model on.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # they hold passwords
)
app.command()(up)
app.command()(demo)
app.command()(config)


if __name__ == "__main__":
    app()
