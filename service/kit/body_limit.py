"""No body is larger than its call needs: declared sizes are refused early, all bytes counted."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_LIMIT = 1024 * 1024


class BodyLimitMiddleware:
    """Refuse bodies over `limit` bytes, except forms at the paths that count for themselves.

    FastAPI has `max_body_size`, but that answers in plain text.
    """

    def __init__(self, app: ASGIApp, limit: int, counts_itself: frozenset[tuple[str, str]]) -> None:
        self.app = app
        self.limit = limit
        self.counts_itself = counts_itself

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (
            (scope["method"], scope["path"]) in self.counts_itself and is_form(Headers(scope=scope))
        ):
            await self.app(scope, receive, send)
            return
        declared = declared_length(scope)
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            if declared is not None and declared > self.limit:
                raise HTTPException(413)
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self.limit:
                    raise HTTPException(413)
            return message

        await self.app(scope, receive_counted, send)


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
