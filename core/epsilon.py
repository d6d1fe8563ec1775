"""Epsilon, the L-infinity bound of the perturbation, as owners write it: 0.3 or "8/255"."""

import math
import re
from fractions import Fraction

from core.problem import Refused

LEVELS = 255
# No exponents: "1e-999999999" would be computed, digit by digit.
_WRITTEN = re.compile(
    r"[0-9]{1,9}(\.[0-9]{1,20})?|\.[0-9]{1,20}|[0-9]{1,9} ?/ ?[0-9]{1,9}", re.ASCII
)


def parse_epsilon(value: float | str) -> Fraction:
    """Read a bound on the pixel scale [0, 1].

    Args:
        value: a number, or a string holding a number or a fraction such as "8/255".

    Returns:
        The bound as an exact fraction with 1/255 <= epsilon <= 1.

    Raises:
        Refused: code `epsilon_invalid` (not a number) or `epsilon_out_of_range`.
    """
    try:
        if isinstance(value, str):
            if not _WRITTEN.fullmatch(value):
                raise ValueError
            epsilon = Fraction(value.replace(" ", "")).limit_denominator(10**9)
        else:
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError
            epsilon = Fraction(value).limit_denominator(10**9)
    except (ValueError, ZeroDivisionError, OverflowError) as error:  # 10**400 is no float
        raise Refused(
            "epsilon_invalid",
            'epsilon must be a number or a fraction, such as 0.03 or "8/255".',
            "epsilon",
        ) from error
    if not 0 < epsilon <= 1:
        raise Refused(
            "epsilon_out_of_range",
            'epsilon must be above 0 and at most 1, where 1 is the whole pixel range; "8/255" is '
            "usual for colour images, 0.3 for digits.",
            "epsilon",
        )
    if max_change(epsilon) < 1:
        raise Refused(
            "epsilon_out_of_range",
            "epsilon below 1/255 changes no pixel of an 8-bit image; choose at least 1/255.",
            "epsilon",
        )
    return epsilon


def max_change(epsilon: Fraction) -> int:
    """The largest change of an 8-bit pixel: floor(255 * epsilon), in 1/255."""
    return math.floor(LEVELS * epsilon)
