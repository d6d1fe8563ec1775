"""By when a job must have ended: a moment, or seconds from now."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from core.problem import Refused
from core.whole import WHOLE
from service.kit.moment import Moment

YEAR = 365 * 24 * 3600

Deadline = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=YEAR), WHOLE] | Moment,
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
