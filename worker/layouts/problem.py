"""Why an upload is refused, in words for its owner and in a code for their script."""

from typing import TypedDict

from core.upload_codes import CODES, Code

__all__ = ["CODES", "BadDataset", "Code", "FileProblem", "ProblemJson", "ReadCancelled", "Report"]

_LONGEST_MEMBER = 200


class FileProblem(TypedDict):
    """What is wrong with one file; `file` is None where it is the upload as a whole."""

    file: str | None
    code: Code
    message: str


class Report(TypedDict):
    """Everything that is wrong: `total` problems, of which `files` lists the first."""

    total: int
    files: list[FileProblem]


class ProblemJson(TypedDict):
    """A `BadDataset` as JSON."""

    code: Code
    message: str
    member: str | None
    report: Report


class BadDataset(Exception):
    """The upload cannot become a dataset.

    Attributes:
        code: stable, snake_case, one of `CODES`.
        message: a sentence that says what is wrong and what to do next.
        member: the name of the zip member, class folder or npz array at fault; None when it is
            the archive as a whole. Control characters are replaced and long names cut, so that it
            can be shown and logged as it is.
        report: all that was found, this problem first.
    """

    def __init__(
        self, code: Code, message: str, member: str | None = None, report: Report | None = None
    ) -> None:
        shown = None if member is None else printable(member)
        super().__init__(code, message, shown)
        self.code: Code = code
        self.message = message
        self.member = shown
        self.report: Report = report or {
            "total": 1,
            "files": [{"file": shown, "code": code, "message": message}],
        }

    def __str__(self) -> str:
        where = "" if self.member is None else f"{self.member}: "
        return f"{where}{self.message} ({self.code})"

    def to_json(self) -> ProblemJson:
        return {
            "code": self.code,
            "message": self.message,
            "member": self.member,
            "report": self.report,
        }

    @classmethod
    def from_json(cls, data: ProblemJson) -> "BadDataset":
        return cls(data["code"], data["message"], data["member"], data["report"])


class ReadCancelled(Exception):
    """The caller's `cancelled()` said so while an upload was being read."""


def limits_problem(what: str, member: str | None) -> BadDataset:
    """The refusal for an upload whose reading ran out of `what`."""
    return BadDataset(
        "decoder_limits",
        f"Reading the dataset took more {what} than one dataset may have. Remove or re-export this "
        "file if one is named, or split the dataset into smaller uploads.",
        member,
    )


def printable(name: str) -> str:
    """`name` without control characters, at most 200 characters long."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    if len(shown) <= _LONGEST_MEMBER:
        return shown
    return shown[: _LONGEST_MEMBER - 1] + "…"
