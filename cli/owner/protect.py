"""`unlearnable protect` and `apply`: images in, protected images and the proof out."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.owner import exit_codes
from cli.owner.output import Output
from cli.owner.results import conclude, fetch, make_folder, must_have_succeeded, prepare
from cli.owner.session import JsonOption, UrlOption, session
from cli.owner.wishes import (
    CountermeasureOption,
    DeadlineOption,
    EpsilonOption,
    LabelMapOption,
    MetadataOption,
    VictimOption,
    evaluation_of,
    parse_map,
    parse_metadata,
)
from unlearnable import Dataset, Generator, Job, Unlearnable

OUT = Path("protected")
SINGLE = frozenset({".png", ".jpg", ".jpeg", ".webp"})

ImagesArgument = Annotated[
    str,
    typer.Argument(
        help="A folder with a folder of images for each class; a zip, npz or parquet file; or the "
        "id of a dataset (ds_...).",
        show_default=False,
    ),
]
OutOption = Annotated[Path, typer.Option(help="Folder for what the job makes.")]
NameOption = Annotated[
    str | None, typer.Option(help="A name for the dataset.", show_default="the file's")
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait and download; or start the job and end.")
]
RequireOption = Annotated[
    bool,
    typer.Option("--require-protection", help="End with 6 if protection is not demonstrated."),
]
UnpackOption = Annotated[
    bool | None,
    typer.Option(
        "--unpack/--no-unpack",
        help="Unpack a protected zip into the folder `images`.",
        show_default="if a folder was given",
    ),
]

PROTECT_HELP = f"""Protect images: upload them, train, perturb, measure, download.

An upload that broke goes on when the same command runs again, and files that are there already are
not sent twice. Ctrl-C leaves the job running and says how to follow it. What may be published goes
to --out, what shows clean images to the folder `private` in it.

Examples:

    unlearnable protect ./photos --epsilon 8/255 --out ./protected

    unlearnable protect digits.npz --epsilon 0.3 --label-map shift --budget 600

    unlearnable protect photos.zip --countermeasure jpeg-10 --require-protection --json

{exit_codes.MEANINGS}"""

APPLY_HELP = f"""Protect more images with a generator that a job has trained, in seconds.

Nothing of a single image stays with the service, and nothing is measured.

Examples:

    unlearnable apply job_01k9x2w0c5e7h9k1m3p5r7t9vx ./new-photos --out ./protected-too

    unlearnable apply job_01k9x2w0c5e7h9k1m3p5r7t9vx cat.jpg --label cat --out ./protected-too

{exit_codes.MEANINGS}"""


def protect(
    images: ImagesArgument,
    epsilon: EpsilonOption = "8/255",
    out: OutOption = OUT,
    label_map: LabelMapOption = None,
    budget: Annotated[
        int | None,
        typer.Option(min=1, help="Seconds to train the generator.", show_default="the server's"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps to train, for the same bytes every time.", show_default="--budget"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides every random choice.")] = 0,
    recipe: Annotated[str | None, typer.Option(help="How to train.", show_default="auto")] = None,
    fraction: Annotated[
        float | None, typer.Option(help="Protect only such a share, from 0 to 1.")
    ] = None,
    victim: VictimOption = None,
    countermeasure: CountermeasureOption = None,
    priority: Annotated[
        int | None, typer.Option(help="Among your jobs, from -10 to 10.", show_default="0")
    ] = None,
    name: NameOption = None,
    metadata: MetadataOption = None,
    deadline: DeadlineOption = None,
    wait: WaitOption = True,
    unpack: UnpackOption = None,
    require_protection: RequireOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    wished_map, notes = parse_map(label_map), parse_metadata(metadata)

    def start(client: Unlearnable, dataset: Dataset) -> Job:
        return client.jobs.create(
            dataset.id,
            epsilon=epsilon,
            label_map=wished_map,
            budget_seconds=budget,
            training_steps=steps,
            seed=seed,
            recipe=recipe,
            protected_fraction=None if fraction is None else {"fraction": fraction},
            evaluation=evaluation_of(victim, countermeasure) or None,
            priority=priority,
            metadata=notes,
            deadline=deadline,
        )

    with session(url, as_json=as_json) as (client, output):
        _journey(client, output, images, name, out, start, wait, unpack, require_protection)


def apply(
    generator: Annotated[
        str,
        typer.Argument(
            help="A generator (gen_...), or the job that trained it (job_...).", show_default=False
        ),
    ],
    images: Annotated[
        str, typer.Argument(help="As for `protect`, or a single image.", show_default=False)
    ],
    out: OutOption = OUT,
    label: Annotated[
        str | None, typer.Option(help="The class of a single image.", show_default=False)
    ] = None,
    victim: VictimOption = None,
    countermeasure: CountermeasureOption = None,
    name: NameOption = None,
    metadata: MetadataOption = None,
    deadline: DeadlineOption = None,
    wait: WaitOption = True,
    unpack: UnpackOption = None,
    require_protection: RequireOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    notes = parse_metadata(metadata)
    with session(url, as_json=as_json) as (client, output):
        found = _generator(client, generator)
        if Path(images).suffix.lower() in SINGLE:
            _one_image(client, output, found, Path(images), label, out)
            return

        def start(client: Unlearnable, dataset: Dataset) -> Job:
            evaluation = evaluation_of(victim, countermeasure) or None
            return client.generators.protect(
                found.id, dataset.id, evaluation=evaluation, metadata=notes, deadline=deadline
            )

        _journey(client, output, images, name, out, start, wait, unpack, require_protection)


def _one_image(
    client: Unlearnable,
    output: Output,
    generator: Generator,
    image: Path,
    label: str | None,
    out: Path,
) -> None:
    make_folder(out)
    path = client.generators.protect_images(
        generator.id, [image], out / f"{image.stem}.png", labels=[] if label is None else [label]
    )
    output.result({"published": str(path)}, str(path))


def _generator(client: Unlearnable, given: str) -> Generator:
    if not given.startswith("job_"):
        return client.generators.get(given)
    for generator in client.generators.list(page_size=100):
        if generator.job_id == given:
            return generator
    raise typer.BadParameter(
        f"there is no generator of {given}: it has not succeeded, or its generator is deleted",
        param_hint="GENERATOR",
    )


def dataset_of(client: Unlearnable, output: Output, images: str, name: str | None) -> Dataset:
    """The dataset that an argument names, uploaded if it is not there already."""
    if images.startswith("ds_") and not Path(images).exists():
        return client.datasets.wait(images)
    output.goes_on = "Run the same command again: the upload goes on where it is."
    with output.bytes_of("uploading") as tell:
        dataset = client.datasets.upload(images, name=name, reuse=True, on_progress=tell)
    output.goes_on = None
    for note in dataset.notes or ():
        output.say(note)
    return dataset


def _journey(
    client: Unlearnable,
    output: Output,
    images: str,
    name: str | None,
    out: Path,
    start: Callable[[Unlearnable, Dataset], Job],
    wait: bool,
    unpack: bool | None,
    require_protection: bool,
) -> None:
    """What both commands do."""
    is_folder = Path(images).is_dir()
    unpacked = is_folder if unpack is None else unpack
    if wait:
        prepare(out, unpack=unpacked)
    dataset = dataset_of(client, output, images, name)
    job = start(client, dataset)
    follow = f"unlearnable wait {job.id} --out {shlex.quote(str(out))}"
    follow += " --unpack" if unpacked else ""
    output.goes_on = f"{job.id} goes on. Follow it: {follow}"
    if not wait:
        output.result({"job": job.raw}, f"{job.id} has begun. Follow it: {follow}")
        return
    output.say(f"{job.id} protects {dataset.id}.")
    finish(client, output, job.id, out, unpacked, require_protection, timeout=None)


def finish(
    client: Unlearnable,
    output: Output,
    job_id: str,
    out: Path | None,
    unpack: bool,
    require_protection: bool,
    timeout: float | None,
) -> None:
    """Wait for a job, download what it has made, and say what came of it."""
    if out is not None:
        prepare(out, unpack=unpack)
    with output.work() as show:
        job = client.jobs.wait(job_id, on_progress=show, check=False, timeout=timeout)
    must_have_succeeded(output, job)
    lines: list[str] = []
    answer: dict[str, Any] = {"job": job.raw}
    if out is not None:
        published = fetch(client, output, job, out, unpack=unpack)
        answer["published"] = str(published)
        lines = [f"To be published: {published}", f"For you alone:   {out / 'private'}"]
    evaluation = client.jobs.evaluation(job.id)
    conclude(output, answer, evaluation, lines, require_protection=require_protection)
