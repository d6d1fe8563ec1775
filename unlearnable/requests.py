"""Requests and answers, as both clients send and read them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unlearnable.errors import UnexpectedAnswer


@dataclass(frozen=True)
class Request:
    """What is sent.

    Attributes:
        path: of the API; or a whole URL, of a link that carries its own signature and gets no key.
        params: of the query; those that are None are left out.
        body: sent as JSON.
        content: sent as it is.
        files: sent as a form: a name and the bytes of each.
        labels: beside files, in the form.
        seconds: how long the answer may take; None is the client's own limit.
    """

    method: str
    path: str
    params: Mapping[str, str | float | None] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = field(default=None, repr=False)
    files: Sequence[tuple[str, bytes]] = field(default=(), repr=False)
    labels: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def is_link(self) -> bool:
        return "://" in self.path


@dataclass(frozen=True)
class Answer:
    """What came back. `headers` go by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_error(self) -> bool:
        return self.status >= 400

    def json(self) -> Any:
        """The body.

        Raises:
            UnexpectedAnswer: it is no JSON, as when something else listens at the address.
        """
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise UnexpectedAnswer(
                f"The answer ({self.status}) is no JSON: is the address that of an API of "
                "unlearnable?"
            ) from error
