"""Which scope each route takes: one table for all of them, by the noun that its address names.

A route whose noun is not here keeps the API from starting, so none can be forgotten.
"""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route

from core.scopes import Scope

# The noun after /v1/, and the family of scopes that it belongs to.
FAMILIES = {
    "uploads": "datasets",
    "datasets": "datasets",
    "erasures": "datasets",
    "jobs": "jobs",
    "evaluations": "jobs",
    "generators": "jobs",
    "artifacts": "jobs",
    "studies": "jobs",
    "webhooks": "webhooks",
    "api_keys": "keys",
    "usage": "account",
    "audit_events": "account",
}
SAFE = frozenset({"GET", "HEAD"})
# What changes nothing although it is a POST.
_READING = frozenset({"/v1/jobs/estimate"})


def required(method: str, path: str) -> Scope:
    """The scope that a call takes.

    Args:
        path: the route's template, such as /v1/jobs/{job_id}.

    Raises:
        LookupError: the noun has no family; add it above.
    """
    _, _, noun = path.removeprefix("/").partition("/")
    family = FAMILIES[noun.partition("/")[0]]
    verb = "read" if method in SAFE or path in _READING else "write"
    scope: Scope = f"{family}:{verb}"  # type: ignore[assignment]  # a test holds them against Scope
    return scope


def check(routes: Iterable[BaseRoute]) -> None:
    """Raise LookupError if a route under /v1 has no scope."""
    for route in routes:
        if isinstance(route, Route) and route.path.startswith("/v1/"):
            required("GET", route.path)
