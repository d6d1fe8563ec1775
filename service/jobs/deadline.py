"""By when a job must have ended: a moment, or seconds from now."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from core.problem import Refused

YEAR = 365 * 24 * 3600
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")


def _only_moments(value: object) -> object:
    # Numbers, also as text, would be read as seconds since 1970.
    if isinstance(value, str) and _MOMENT.match(value):
        return value
    raise ValueError("give seconds as a whole number, or a moment such as 2026-11-22T18:00:00Z")


Deadline = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=YEAR)]
    | Annotated[AwareDatetime, BeforeValidator(_only_moments, json_schema_input_type=str)],
    Field(
        description="By when the job must have ended, its wait in the queue included: seconds from "
        "now, or a moment with its offset. Past it the job fails with `deadline_exceeded`, within "
        "seconds, and nothing of it is kept. Null: no deadline.",
        examples=[3600, "2026-11-22T18:00:00Z"],
    ),
]


def deadline_out_of_range() -> Refused:
    """The deadline is past, or so far that it means nothing."""
    return Refused(
        "deadline_out_of_range",
        "deadline must lie in the future, and within a year.",
        "deadline",
    )


def moment_of(deadline: int | datetime | None) -> datetime | None:
    """The moment that is meant.

    Raises:
        Refused: `deadline_out_of_range`.
    """
    now = datetime.now(UTC)
    if isinstance(deadline, int):
        return now + timedelta(seconds=deadline)
    if deadline is not None and not now < deadline <= now + timedelta(seconds=YEAR):
        raise deadline_out_of_range()
    return deadline
