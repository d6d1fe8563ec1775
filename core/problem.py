"""What went wrong, in the form in which owners read it: in an HTTP error or on a failed job."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A stable code, a sentence that says what to do next, and the field or file at fault.

    `hint` is what the owner of a job that failed may try. `report` lists all files at fault where
    an upload has several: {"total": int, "files": [{"file", "code", "message"}]}.
    """

    code: str
    message: str
    param: str | None = None
    retryable: bool = False
    hint: str | None = None
    report: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        if self.report is None:
            del found["report"]
        return found


class Refused(Exception):
    """The owner's input cannot be used. The API answers with `status`."""

    def __init__(self, code: str, message: str, param: str | None = None, status: int = 422):
        super().__init__(message)
        self.problem = Problem(code, message, param)
        self.status = status
