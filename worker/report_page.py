"""The evaluation as one HTML file that needs nothing else: no script, no font, no other address."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from engine.evaluation.protection_table import ProtectionTable
from engine.evaluation.rows import TRAINED_ON_IN_WORDS, Row, learner_in_words
from worker.drawings import Drawn

# Names of datasets and classes are the owner's: everything is escaped.
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=False,
)


def report_page(
    table: ProtectionTable,
    figures: Sequence[Drawn],
    *,
    dataset: str,
    subject: str,
    footer: str,
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """The page.

    Args:
        table: the evaluation.
        figures: shown in this order.
        dataset: its name, in the title.
        subject: a sentence on what was evaluated.
        footer: ids and digests.
        extra: further figures of the headline, as name and value.
    """
    headline = [
        ("trained on clean images", f"{table.headline(table.baseline)} %"),
        ("trained on protected images", f"{table.headline(table.plain)} %"),
        (f"worst case of {_tried(table)}", f"{table.headline(table.worst)} %"),
        ("chance", f"{table.chance:.1f} %"),
        *extra,
    ]
    return _ENVIRONMENT.get_template("evaluation.html").render(
        dataset=dataset,
        subject=subject,
        verdict=table.verdict,
        headline=headline,
        seeds=len(table.plan.seeds),
        targeted=table.label_map is not None,
        rows=[_row(row, table) for row in table.rows],
        skipped=table.skipped,
        figures=[
            {
                "title": figure.title,
                "description": figure.description,
                "base64": base64.b64encode(figure.path.read_bytes()).decode("ascii"),
            }
            for figure in figures
        ],
        footer=footer,
    )


def _tried(table: ProtectionTable) -> str:
    tried = sum(row.trained_on == "protected" for row in table.rows)
    return f"{tried} ways of learning" if tried > 1 else "one way of learning"


def _row(row: Row, table: ProtectionTable) -> dict[str, Any]:
    name = row.learner.countermeasure
    return {
        "worst": row is table.worst,
        "trained_on": TRAINED_ON_IN_WORDS[row.trained_on],
        "victim": learner_in_words(row.learner),
        "countermeasure": "-" if name == "none" else name,
        "accuracy": str(row.accuracy),
        "best": str(row.best_epoch_accuracy),
        "targeted": "-" if row.targeted_success is None else str(row.targeted_success),
    }
