"""What can be wrong with what is asked of a key."""

from collections.abc import Sequence

from core.problem import Refused
from service.kit.problems import Conflict


def api_key_not_found() -> Refused:
    return Refused(
        "api_key_not_found",
        "There is no such key. GET /v1/api_keys lists yours.",
        status=404,
    )


def api_key_revoked() -> Conflict:
    return Conflict(
        "api_key_revoked", "The key was revoked, which cannot be taken back. Make a new one."
    )


def api_keys_too_many(most: int) -> Refused:
    return Refused(
        "api_keys_too_many",
        f"You have {most} keys that work, the most there may be. Revoke those that are not used: "
        "last_used_at tells which.",
        status=403,
    )


def expiry_ambiguous() -> Refused:
    return Refused("expiry_ambiguous", "Give expires_at or expires_in, not both.", "expires_in")


def expiry_out_of_range() -> Refused:
    return Refused(
        "expiry_out_of_range",
        "expires_at must be in the future, and less than ten years away.",
        "expires_at",
    )


def scope_exceeded(scopes: Sequence[str]) -> Refused:
    """A key would get what the one that asks has not."""
    return Refused(
        "scope_exceeded",
        f"Your key cannot give what it has not: {', '.join(scopes)}. Leave that out, or ask with "
        "a key that has it.",
        "scopes",
        status=403,
    )


def expiry_exceeded() -> Refused:
    """A key would outlive the one that asks."""
    return Refused(
        "expiry_exceeded",
        "A key that your key makes or rotates cannot work longer than your key. Choose an earlier "
        "end, or ask with a key that has none.",
        "expires_at",
        status=403,
    )
