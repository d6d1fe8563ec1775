"""A line in the log and a figure for every request, without anything that the caller wrote."""

import logging
import re
import time
from collections.abc import Mapping
from typing import Any

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.metrics import REGISTRY

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
OTHER = "other"  # a method or an address that the API does not know
PROBES = frozenset({"/healthz", "/readyz"})
_ID = re.compile(r"[a-z]{2,12}_[0-9a-z]{26}")

SECONDS = Histogram(
    "unlearnable_http_request_seconds",
    "How long requests took until their last byte, by method, route and status.",
    ("method", "route", "status"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)

log = logging.getLogger(__name__)


class AccessMiddleware:
    """Note method, route, status and duration; the route as its template, never as asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0  # the caller left before there was an answer

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            seconds = time.perf_counter() - started
            _note(scope, status, seconds)


def _note(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else OTHER
    route = getattr(scope.get("route"), "path", OTHER)
    SECONDS.labels(method, route, status).observe(seconds)
    log.log(
        logging.DEBUG if route in PROBES else logging.INFO,
        "request",
        extra={
            "fields": {
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
                **ids_in(scope.get("path_params", {})),
            }
        },
    )


def ids_in(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Those parameters of a path that are ids as we make them; a caller can write anything."""
    return {
        name: value
        for name, value in parameters.items()
        if isinstance(value, str) and _ID.fullmatch(value)
    }
