"""No body is larger than its call needs: declared sizes are refused early, all bytes counted."""

import re
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_LIMIT = 1024 * 1024


class BodyLimitMiddleware:
    """Refuse bodies over `limit` bytes; forms that are sent to some paths may have more.

    FastAPI has `max_body_size`, but that answers in plain text.

    Args:
        limit: of every other body, in bytes.
        form_limits: patterns of paths and what a form that is posted there may have; None if the
            call counts for itself.
    """

    def __init__(
        self, app: ASGIApp, limit: int, form_limits: Sequence[tuple[re.Pattern[str], int | None]]
    ) -> None:
        self.app = app
        self.limit = limit
        self.form_limits = form_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit_of(scope) if scope["type"] == "http" else None
        if limit is None:
            await self.app(scope, receive, send)
            return
        declared = declared_length(scope)
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            if declared is not None and declared > limit:
                raise HTTPException(413)
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise HTTPException(413)
            return message

        await self.app(scope, receive_counted, send)

    def _limit_of(self, scope: Scope) -> int | None:
        if scope["method"] == "POST" and is_form(Headers(scope=scope)):
            for path, limit in self.form_limits:
                if path.fullmatch(scope["path"]):
                    return limit
        return self.limit


def is_form(headers: Headers) -> bool:
    """Whether a body is a multipart form, by the first Content-Type, which is what endpoints read.

    Everybody asks here: a body that one takes for a form and another for JSON would be counted by
    none.
    """
    return headers.get("content-type", "").lower().startswith("multipart/")


def declared_length(scope: Scope) -> int | None:
    """The Content-Length of a request, or None if it has none."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None
