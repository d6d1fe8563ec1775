"""Answers that a client may have already: whoever names the ETag it knows is told 304."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import Header, Response
from pydantic import BaseModel

# A client may keep such an answer, and must ask each time whether it still holds.
_KEEP = {"Cache-Control": "private, no-cache"}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Nothing has changed since the answer with that ETag; no body."}
}
ETAG_HEADER = {"ETag": "Names this very answer, for `If-None-Match`."}

IfNoneMatch = Annotated[
    str | None,
    Header(
        description="The `ETag` of the answer that you have: if it still holds, the answer is 304."
    ),
]


@dataclass(frozen=True)
class Tagged:
    """An answer, serialised, with its tag: equal tags mean equal bytes."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, model: BaseModel) -> Self:
        body = model.model_dump_json().encode()
        return cls(body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')

    def is_known(self, if_none_match: str | None) -> bool:
        """Whether the header names this answer."""
        known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
        return self.etag in known or "*" in known

    def response(self, if_none_match: str | None) -> Response:
        """200 with the body, or 304 without."""
        headers = {"ETag": self.etag, **_KEEP}
        if self.is_known(if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type="application/json")
