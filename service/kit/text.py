"""Text as owners send it, made fit for names, logs and the database."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator


def printable(text: str) -> str:
    """Text without control characters, which belong in no name (and some in no database)."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C").strip()


Name = Annotated[str, AfterValidator(lambda text: printable(text) or "dataset")]
"""A name that can be shown and stored."""
