"""A name for every request, and the last net: what nobody caught becomes a problem 500."""

import logging
import re
import secrets

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import audit, logs
from service.kit.problems import INTERNAL_ERROR, answer

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logging.getLogger(__name__)


class RequestIdMiddleware:
    """Take the caller's `X-Request-ID` if it is harmless, else make one, and send it back.

    It catches what the handlers left over, because Starlette's own answer to that is sent outside
    every middleware: it would have neither the id nor the security headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _ACCEPTED.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        actor = audit.Actor("api_key", request_id=request_id)
        with logs.bound(request_id=request_id), audit.acting(actor):
            try:
                await self.app(scope, receive, send_named)
            except Exception:
                log.exception("request %s failed", request_id)
                if started:
                    raise
                response = answer(Request(scope), INTERNAL_ERROR)
                await response(scope, receive, send_named)
