"""Options that say how a job shall be done, and what they mean."""

from typing import Annotated

import typer

EpsilonOption = Annotated[
    str,
    typer.Option(help='The most a pixel may change: a number such as 0.03, or "8/255".'),
]
LabelMapOption = Annotated[
    str | None,
    typer.Option(help="Steer to wrong classes: `shift`, or pairs such as cat:dog,dog:cat."),
]
CountermeasureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--countermeasure",
        help="What a learner would try, such as jpeg-10; may be given several times. `none` tries "
        "none.",
        show_default="the server's",
    ),
]
VictimOption = Annotated[
    list[str] | None,
    typer.Option(
        "--victim",
        help="A classifier to measure with, such as resnet-18; may be given several times.",
        show_default=False,
    ),
]
DeadlineOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Seconds after which it fails if it has not ended.", show_default="none"
    ),
]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        help="A note such as release=2026-11; may be given several times.",
        show_default=False,
    ),
]


def parse_map(text: str | None) -> str | dict[str, str] | None:
    """A label map as written on the command line: `shift`, or pairs such as `0:1,1:0`.

    Raises:
        typer.BadParameter: a pair has no colon, or names a class twice.
    """
    if text is None or text == "shift":
        return text
    pairs = [pair.partition(":") for pair in text.split(",")]
    parsed = {source.strip(): target.strip() for source, colon, target in pairs if colon}
    if len(parsed) != len(pairs):
        raise typer.BadParameter(
            "write `shift`, or pairs such as 0:1,1:2,2:0", param_hint="--label-map"
        )
    return parsed


def parse_metadata(notes: list[str] | None) -> dict[str, str] | None:
    """Notes as written on the command line.

    Raises:
        typer.BadParameter: one has no equals sign.
    """
    pairs = [note.partition("=") for note in notes or ()]
    if not all(equals for _, equals, _ in pairs):
        raise typer.BadParameter("write name=text", param_hint="--metadata")
    return {name: text for name, _, text in pairs} or None


def evaluation_of(
    victims: list[str] | None, countermeasures: list[str] | None
) -> dict[str, object]:
    """The evaluation that was asked for; what was not is left to the server."""
    asked: dict[str, object] = {"victims": victims} if victims else {}
    if countermeasures:
        asked["countermeasures"] = [] if countermeasures == ["none"] else countermeasures
    return asked
