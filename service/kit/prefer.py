"""`Prefer: respond-async`: the client looks again later, and does not want to wait now."""

from typing import Any

from fastapi import Request

from core.settings import Settings

RESPOND_ASYNC = "respond-async"
APPLIED = "Preference-Applied"
PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": f"`{RESPOND_ASYNC}`: answer 202 without waiting for a worker.",
    "example": RESPOND_ASYNC,
}


def prefers_async(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer"))
    return RESPOND_ASYNC in (part.split(";")[0].strip().lower() for part in preferences.split(","))


def wait_seconds(request: Request, settings: Settings) -> float:
    """How long the answer may wait for a worker."""
    return 0.0 if prefers_async(request) else settings.upload_wait_seconds
