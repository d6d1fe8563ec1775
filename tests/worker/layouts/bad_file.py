"""What a bad upload is, for the tests of the layouts and for those that send it over HTTP."""

from collections.abc import Callable
from typing import NamedTuple

from worker.layouts.problem import Code


class BadFile(NamedTuple):
    """An upload that must be refused.

    Attributes:
        build: makes its bytes; cheap to call, not cheap to keep.
        code: with which it is refused.
        member: which member or array is named; None if it is the archive as a whole.
    """

    build: Callable[[], bytes]
    code: Code
    member: str | None = None
