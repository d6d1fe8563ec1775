"""`unlearnable webhooks`: list, create, test, see what was sent, send it again."""

from itertools import islice
from typing import Annotated

import typer

from cli.owner.jobs import LimitOption
from cli.owner.output import Output
from cli.owner.session import JsonOption, UrlOption, session
from unlearnable import Delivery
from unlearnable.account_models import WebhookWithSecret

app = typer.Typer(help="Tell receivers of yours what happens.", no_args_is_help=True)

WebhookArgument = Annotated[str, typer.Argument(help="A webhook (wh_...).", show_default=False)]


@app.command("list")
def list_webhooks(
    limit: LimitOption = 20, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """List webhooks, newest first."""
    with session(url, as_json=as_json) as (client, output):
        found = list(islice(client.webhooks.list(page_size=min(limit, 100)), limit))
        output.table(
            [webhook.raw for webhook in found],
            ("id", "state", "events", "receiver"),
            [
                [
                    webhook.id,
                    "enabled" if webhook.enabled else f"disabled: {webhook.disabled_reason}",
                    " ".join(webhook.events),
                    webhook.url,
                ]
                for webhook in found
            ],
        )


@app.command()
def create(
    receiver: Annotated[
        str, typer.Argument(help="Its address: https, and public.", show_default=False)
    ],
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            help="What it is told of, such as job.succeeded; may be given several times.",
            show_default="everything",
        ),
    ] = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a receiver. Its secret is the only line on standard output, and shown this once."""
    with session(url, as_json=as_json) as (client, output):
        _show(client.webhooks.create(receiver, events=event), output)


@app.command()
def rotate(webhook_id: WebhookArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Take another secret, shown this once; for a day messages have both signatures."""
    with session(url, as_json=as_json) as (client, output):
        _show(client.webhooks.rotate(webhook_id), output)


@app.command()
def enable(webhook_id: WebhookArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Tell a receiver again that was disabled."""
    with session(url, as_json=as_json) as (client, output):
        webhook = client.webhooks.update(webhook_id, enabled=True)
        output.result(webhook.raw, f"{webhook_id} is enabled.")


@app.command()
def disable(
    webhook_id: WebhookArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Tell a receiver nothing for now."""
    with session(url, as_json=as_json) as (client, output):
        webhook = client.webhooks.update(webhook_id, enabled=False)
        output.result(webhook.raw, f"{webhook_id} is disabled.")


@app.command()
def delete(webhook_id: WebhookArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Remove a receiver."""
    with session(url, as_json=as_json) as (client, output):
        client.webhooks.delete(webhook_id)
        output.result({"id": webhook_id, "deleted": True}, f"{webhook_id} is deleted.")


@app.command("test")
def try_out(
    webhook_id: WebhookArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Send a message that says that it is a test."""
    with session(url, as_json=as_json) as (client, output):
        delivery = client.webhooks.test(webhook_id)
        output.result(delivery.raw, delivery.id)


@app.command()
def deliveries(
    webhook_id: WebhookArgument,
    limit: LimitOption = 20,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was sent to a receiver or shall be, newest first."""
    with session(url, as_json=as_json) as (client, output):
        found = list(
            islice(client.webhooks.deliveries(webhook_id, page_size=min(limit, 100)), limit)
        )
        output.table(
            [delivery.raw for delivery in found],
            ("id", "type", "status", "attempts", "last answer"),
            [[one.id, one.type, one.status, str(len(one.attempts)), _answer(one)] for one in found],
        )


@app.command()
def redeliver(
    webhook_id: WebhookArgument,
    delivery_id: Annotated[
        str, typer.Argument(help="What was sent (dlv_...).", show_default=False)
    ],
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a message again."""
    with session(url, as_json=as_json) as (client, output):
        delivery = client.webhooks.redeliver(webhook_id, delivery_id)
        output.result(delivery.raw, delivery.id)


def _answer(delivery: Delivery) -> str:
    """What the receiver said last."""
    if not delivery.attempts:
        return ""
    last = delivery.attempts[-1]
    return str(last.get("error") or last.get("status_code") or "")


def _show(made: WebhookWithSecret, output: Output) -> None:
    if made.secret is None:  # an answer was lost, and is given again without it
        output.say(f"The secret of {made.id} was lost on its way: rotate it.")
    output.say(f"{made.id}; give the secret to the receiver, it is not shown again:")
    output.result(made.raw, made.secret or "")
