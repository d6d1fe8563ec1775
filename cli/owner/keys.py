"""`unlearnable keys`: list, create, rotate, revoke."""

from itertools import islice
from typing import Annotated

import typer

from cli.owner.jobs import LimitOption
from cli.owner.output import Output
from cli.owner.session import JsonOption, UrlOption, session
from unlearnable.account_models import ApiKeyWithSecret

DAY = 24 * 3600

app = typer.Typer(help="List, make, rotate and revoke API keys.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(help="A key (key_...).", show_default=False)]


@app.command("list")
def list_keys(limit: LimitOption = 20, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """List keys, newest first. Secrets are not kept, so none is shown."""
    with session(url, as_json=as_json) as (client, output):
        found = list(islice(client.api_keys.list(page_size=min(limit, 100)), limit))
        output.table(
            [key.raw for key in found],
            ("id", "name", "secret", "scopes", "last used", "expires"),
            [
                [
                    key.id,
                    key.name,
                    "revoked" if key.revoked_at else key.hint,
                    " ".join(key.scopes),
                    f"{key.last_used_at.astimezone():%Y-%m-%d %H:%M}" if key.last_used_at else "",
                    f"{key.expires_at.astimezone():%Y-%m-%d}" if key.expires_at else "",
                ]
                for key in found
            ],
        )


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.", show_default=False)],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What it may do, such as jobs:read; may be given several times.",
            show_default="what your key may do",
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it ends.", show_default="as yours")
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its secret is the only line on standard output, and shown this once."""
    with session(url, as_json=as_json) as (client, output):
        made = client.api_keys.create(
            name, scopes=scope, expires_in=None if days is None else days * DAY
        )
        _show(made, output)


@app.command()
def rotate(
    key_id: KeyArgument,
    grace_hours: Annotated[
        int, typer.Option(min=0, help="Hours that the old secret works beside the new one.")
    ] = 0,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key another secret, shown this once."""
    with session(url, as_json=as_json) as (client, output):
        _show(client.api_keys.rotate(key_id, grace_seconds=grace_hours * 3600), output)


@app.command()
def revoke(key_id: KeyArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Let a key open nothing any more."""
    with session(url, as_json=as_json) as (client, output):
        client.api_keys.revoke(key_id)
        output.result({"id": key_id, "revoked": True}, f"{key_id} is revoked.")


def _show(made: ApiKeyWithSecret, output: Output) -> None:
    if made.secret is None:  # an answer was lost, and is given again without it
        output.say(f"The secret of {made.id} was lost on its way: rotate the key.")
    output.say(f"{made.id}; keep the secret, it is not shown again:")
    output.result(made.raw, made.secret or "")
