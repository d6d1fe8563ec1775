"""The doorbell, on a real broker."""

import pytest

from core import doorbell
from core.ids import new_id

pytestmark = pytest.mark.usefixtures("servers")


def test_a_bell_waits_until_somebody_looks() -> None:
    pool = new_id("pool")
    assert doorbell.is_ringing(pool) is False
    assert doorbell.ring(pool) is True
    assert doorbell.is_ringing(pool) is True
