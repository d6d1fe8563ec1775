"""Identifiers as they come in from outside."""

import re

from core.ids import LENGTH

_SHAPE = re.compile(rf"[a-z]+_[0-9a-hjkmnp-tv-z]{{{LENGTH}}}")


def could_be(value: str, prefix: str) -> bool:
    """Whether `value` has the form of an identifier of this noun.

    What has not is unknown, and is not sent to the database, which refuses some characters.
    """
    return value.startswith(f"{prefix}_") and _SHAPE.fullmatch(value) is not None
