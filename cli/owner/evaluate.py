"""`unlearnable evaluate`: what is learned from any protected dataset, wherever it was protected."""

from typing import Annotated, Any

import typer

from cli.owner import exit_codes
from cli.owner.protect import RequireOption, dataset_of
from cli.owner.results import conclude
from cli.owner.session import JsonOption, UrlOption, session
from cli.owner.wishes import (
    CountermeasureOption,
    DeadlineOption,
    LabelMapOption,
    VictimOption,
    evaluation_of,
    parse_map,
)

EVALUATE_HELP = f"""Measure what is learned from a protected dataset, wherever it was protected.

Give the original and the protected form, as files, folders or ids; or the original's job.

Examples:

    unlearnable evaluate ./photos ./protected/images --countermeasure jpeg-10

    unlearnable evaluate job_01k9x2w0c5e7h9k1m3p5r7t9vx --victim resnet-18 --seed 0 --seed 1

{exit_codes.MEANINGS}"""


def evaluate(
    clean: Annotated[
        str,
        typer.Argument(
            help="The original: a folder, file or ds_...; or the job (job_...) that protected it.",
            show_default=False,
        ),
    ],
    protected: Annotated[
        str | None,
        typer.Argument(
            help="The same images in the same order, protected: a folder, file or ds_...",
            show_default=False,
        ),
    ] = None,
    label_map: LabelMapOption = None,
    victim: VictimOption = None,
    countermeasure: CountermeasureOption = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Train with each of these seeds.", show_default="0"),
    ] = None,
    deadline: DeadlineOption = None,
    require_protection: RequireOption = False,
    url: UrlOption = None,
    as_json: JsonOption = False,
) -> None:
    is_job = clean.startswith("job_")
    if is_job == (protected is not None):
        raise typer.BadParameter("give the original and the protected form, or a job alone")
    asked: dict[str, Any] = evaluation_of(victim, countermeasure)
    asked |= {"label_map": parse_map(label_map), "seeds": seed or None, "deadline": deadline}
    with session(url, as_json=as_json) as (client, output):
        if protected is None:
            job = client.jobs.get(clean)
            begun = client.evaluations.create(job.dataset_id, job_id=job.id, **asked)
        else:
            originals = dataset_of(client, output, clean, None)
            published = dataset_of(client, output, protected, None)
            begun = client.evaluations.create(
                originals.id, protected_dataset_id=published.id, **asked
            )
        output.goes_on = f"{begun.id} goes on. Follow it: unlearnable wait {begun.id}"
        with output.work() as show:
            done = client.evaluations.wait(begun.id, on_progress=show)
        assert done.result is not None
        lines = [f"{row.accuracy.mean:6.1f} %  {_learner(row.raw)}" for row in done.result.rows]
        conclude(
            output,
            {"id": done.id},
            done.result,
            lines,
            require_protection=require_protection,
        )


def _learner(row: Any) -> str:
    """Who learned from what, in a line."""
    tried = "" if row["countermeasure"] == "none" else f" with {row['countermeasure']}"
    return f"{row['victim']}{tried} on {row['trained_on']} images"
