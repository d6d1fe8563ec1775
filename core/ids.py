"""Public identifiers: a prefix that names the noun, then 26 characters that sort by time."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_RANDOM_BITS = 80
LENGTH = 26


def new_id(prefix: str, milliseconds: int | None = None) -> str:
    """A new identifier such as `job_01k9...`: 48 bits of milliseconds, then 80 random bits.

    Args:
        milliseconds: since 1970, of what is older than now.
    """
    if milliseconds is None:
        milliseconds = time.time_ns() // 1_000_000
    return numbered_id(prefix, (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS))


def numbered_id(prefix: str, number: int) -> str:
    """An identifier that holds a number below 2**130; identifiers sort as their numbers do."""
    digits = []
    for _ in range(LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(digits))}"


def number_of(id_: str) -> int:
    """The number that a well-formed identifier holds."""
    number = 0
    for digit in id_.rpartition("_")[2]:
        number = number * 32 + _ALPHABET.index(digit)
    return number
