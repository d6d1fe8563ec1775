"""A moment as JSON Schema has it: a text with date, time and offset, and nothing else."""

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt]")


def _only_moments(value: object) -> object:
    # Numbers, also as text, would be read as seconds since 1970.
    if isinstance(value, str) and _DATE.match(value):
        return value
    raise ValueError("give a moment with its offset, such as 2026-11-22T18:00:00Z")


Moment = Annotated[AwareDatetime, BeforeValidator(_only_moments)]
