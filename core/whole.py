"""Whole numbers as JSON has them."""

from typing import Annotated

from pydantic import BeforeValidator, Field


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""To stand behind the limits of a strict integer: it takes 1.0 for 1.

To JSON they are one number; to pydantic, where it is strict, only the second is an integer, and
where it is not strict, texts and truth values are too.
"""

Whole = Annotated[int, Field(strict=True), WHOLE]
"""A number without fraction; no text and no truth value."""
