"""Everything that is wrong with the files of an upload, not only the first of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from worker.layouts.problem import BadDataset, FileProblem

MOST_LISTED: Final = 100
"""So many files are named; all are counted."""


class Findings:
    """Collects the files that cannot be used while the others are still being looked at.

    A problem of one file is collected and the reading goes on; a problem of the upload as a whole
    (no member is named) ends it.

    Attributes:
        total: problems so far, listed or not.
    """

    def __init__(self) -> None:
        self.total = 0
        self._listed: list[FileProblem] = []
        self._summary: BadDataset | None = None

    def __bool__(self) -> bool:
        return self.total > 0

    def add(self, problem: BadDataset) -> None:
        self.total += 1
        if len(self._listed) < MOST_LISTED:
            self._listed.append(problem.report["files"][0])

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Add the problem of one file and go on; let that of the whole upload through."""
        try:
            yield
        except BadDataset as problem:
            if problem.member is None:
                raise
            self.add(problem)

    def raise_any(self) -> None:
        """End the reading if anything was found.

        Raises:
            BadDataset: the first problem; its report has them all.
        """
        if self.total:
            self._summary = self._summarized()
            raise self._summary

    def concluded_by(self, problem: BadDataset) -> BadDataset:
        """What to raise for a problem that ended the reading: it with all that came before it."""
        if problem is self._summary:
            return problem
        self.add(problem)
        return self._summarized()

    def _summarized(self) -> BadDataset:
        first = self._listed[0]
        message = first["message"]
        if self.total > 1:
            message += (
                f" {self.total - 1:,} more cannot be used either: validation_report has the list."
            )
        return BadDataset(
            first["code"],
            message,
            first["file"],
            {"total": self.total, "files": list(self._listed)},
        )
