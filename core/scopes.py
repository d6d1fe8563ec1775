"""What a key may do. A scope names a family of calls, and whether they read or change."""

from collections.abc import Iterable
from typing import Literal, get_args

Scope = Literal[
    "all",
    "datasets:read",
    "datasets:write",
    "jobs:read",
    "jobs:write",
    "webhooks:read",
    "webhooks:write",
    "keys:read",
    "keys:write",
    "account:read",
]
ALL: Scope = "all"
"""Every scope there is, also those that come later."""
SCOPES: tuple[Scope, ...] = get_args(Scope)


def allows(held: Iterable[str], wanted: str) -> bool:
    """Whether a key with the scopes `held` may do what takes the scope `wanted`."""
    return not {ALL, wanted}.isdisjoint(held)


def beyond(held: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that a key with the scopes `held` has not, in order."""
    held = frozenset(held)
    return [scope for scope in wanted if not allows(held, scope)]
