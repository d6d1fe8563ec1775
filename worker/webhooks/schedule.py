"""When a message that was not received is sent again."""

import random
from datetime import timedelta

# As the Standard Webhooks specification suggests: ten attempts in about 75 hours.
DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, *(hours * 3600 for hours in (0.5, 2, 5, 10, 14, 20, 24)))
)
JITTER = 0.15  # receivers that went down together are not asked together
LONGEST_WAIT = timedelta(hours=24)  # that a receiver may ask for

_random = random.SystemRandom()


def next_delay(failures: int, retry_after: timedelta | None) -> timedelta | None:
    """How long to wait before the next attempt; None if there shall be none.

    Args:
        failures: attempts that have failed, from 1.
        retry_after: what the receiver asked for, if it did.
    """
    if failures > len(DELAYS):
        return None
    delay = DELAYS[failures - 1] * _random.uniform(1 - JITTER, 1 + JITTER)
    return max(delay, min(retry_after, LONGEST_WAIT)) if retry_after else delay
