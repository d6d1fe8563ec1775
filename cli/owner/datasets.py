"""`unlearnable datasets` and `generators`: list, show, upload, delete."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cli.owner.jobs import LimitOption
from cli.owner.protect import NameOption, dataset_of
from cli.owner.session import JsonOption, UrlOption, session
from unlearnable import Dataset

app = typer.Typer(help="List, show, upload, delete and erase datasets.", no_args_is_help=True)
generators = typer.Typer(help="List, download and delete generators.", no_args_is_help=True)

DatasetArgument = Annotated[str, typer.Argument(help="A dataset (ds_...).", show_default=False)]
GeneratorArgument = Annotated[
    str, typer.Argument(help="A generator (gen_...).", show_default=False)
]


@app.command("list")
def list_datasets(
    limit: LimitOption = 20, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """List datasets, newest first."""
    with session(url, as_json=as_json) as (client, output):
        found = list(islice(client.datasets.list(page_size=min(limit, 100)), limit))
        output.table(
            [dataset.raw for dataset in found],
            ("id", "name", "status", "layout", "classes", "images", "created"),
            [
                [
                    dataset.id,
                    dataset.name,
                    dataset.status,
                    dataset.layout or "",
                    str(len(dataset.classes or ())),
                    str(_images(dataset)),
                    f"{dataset.created_at.astimezone():%Y-%m-%d %H:%M}",
                ]
                for dataset in found
            ],
        )


def _images(dataset: Dataset) -> int:
    return sum(sum(classes.values()) for classes in (dataset.counts or {}).values())


@app.command("show")
def show_dataset(
    dataset_id: DatasetArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Show a dataset: its classes, its notes, or why it was rejected."""
    with session(url, as_json=as_json) as (client, output):
        dataset = client.datasets.get(dataset_id)
        lines = [f"{dataset.id}  {dataset.name}  {dataset.status}  {dataset.layout or ''}".rstrip()]
        for split, classes in (dataset.counts or {}).items():
            told = ", ".join(f"{name} {count}" for name, count in classes.items())
            lines.append(f"{split}: {told}")
        lines += dataset.notes or []
        if dataset.error:
            lines.append(dataset.error.told)
        output.result(dataset.raw, "\n".join(lines))


@app.command()
def upload(
    images: Annotated[str, typer.Argument(help="A folder or a file.", show_default=False)],
    name: NameOption = None,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a dataset. One that broke goes on when the same command runs again."""
    with session(url, as_json=as_json) as (client, output):
        dataset = dataset_of(client, output, images, name)
        output.result(dataset.raw, dataset.id)


@app.command("delete")
def delete_dataset(
    dataset_id: DatasetArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Delete a dataset and its bytes. What its jobs made stays."""
    with session(url, as_json=as_json) as (client, output):
        client.datasets.delete(dataset_id)
        output.result({"id": dataset_id, "deleted": True}, f"{dataset_id} is deleted.")


@app.command()
def erase(dataset_id: DatasetArgument, url: UrlOption = None, as_json: JsonOption = False) -> None:
    """Delete a dataset and everything that was made of it; the receipt stays with the service.

    Waits until nothing is left. Ctrl-C stops nothing: the erasure goes on.
    """
    with session(url, as_json=as_json) as (client, output):
        begun = client.datasets.erase(dataset_id)
        output.goes_on = f"{begun.id} goes on."
        done = client.erasures.wait(begun.id)
        told = f"{done.id}: {done.objects} objects, {done.size_bytes} bytes are gone."
        output.result(done.raw, told)


@generators.command("list")
def list_generators(
    limit: LimitOption = 20, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """List the generators that jobs have trained, newest first."""
    with session(url, as_json=as_json) as (client, output):
        found = list(islice(client.generators.list(page_size=min(limit, 100)), limit))
        output.table(
            [generator.raw for generator in found],
            ("id", "job", "epsilon", "classes", "created"),
            [
                [
                    generator.id,
                    generator.job_id,
                    f"{generator.max_change}/255",
                    str(len(generator.classes)),
                    f"{generator.created_at.astimezone():%Y-%m-%d %H:%M}",
                ]
                for generator in found
            ],
        )


@generators.command("download")
def download_generator(
    generator_id: GeneratorArgument,
    out: Annotated[Path, typer.Option(help="A folder that exists, or the file's path.")] = Path(),
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download a generator's weights. Keep them to yourself: they can undo the protection."""
    with session(url, as_json=as_json) as (client, output):
        path = client.generators.download(generator_id, out)
        output.result({"id": generator_id, "path": str(path)}, str(path))


@generators.command("delete")
def delete_generator(
    generator_id: GeneratorArgument, url: UrlOption = None, as_json: JsonOption = False
) -> None:
    """Delete a generator and its weights. What was protected with it stays."""
    with session(url, as_json=as_json) as (client, output):
        client.generators.delete(generator_id)
        output.result({"id": generator_id, "deleted": True}, f"{generator_id} is deleted.")
