"""docs/webhooks.md: its snippet verifies what we sign, and its tables are what there is."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.webhook_secrets import signatures
from core.webhooks import EVENTS
from service.webhooks.schemas import RECEIVED
from worker.webhooks.schedule import DELAYS

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
NEW, OLD = (f"whsec_{letter * 43}=" for letter in "AB")
BODY = '{"id":"evt_1","type":"job.succeeded"}'

Verify = Callable[[str, dict[str, str], bytes], None]


def snippet() -> Verify:
    """The function of the page."""
    [written] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(written, names)  # noqa: S102
    verify: Verify = names["verify"]
    return verify


@pytest.fixture(scope="module")
def verify() -> Verify:
    return snippet()


def headers(*secrets: str, age: int = 0) -> dict[str, str]:
    timestamp = int(time.time()) - age
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(secrets, "evt_1", timestamp, BODY),
    }


def test_the_snippet_verifies_what_is_signed(verify: Verify) -> None:
    verify(NEW, headers(NEW), BODY.encode())
    for secret in (NEW, OLD):
        verify(secret, headers(NEW, OLD), BODY.encode())


def test_the_snippet_refuses_everything_else(verify: Verify) -> None:
    with pytest.raises(ValueError, match="nobody"):
        verify(OLD, headers(NEW), BODY.encode())
    with pytest.raises(ValueError, match="nobody"):
        verify(NEW, headers(NEW), BODY.encode() + b" ")
    with pytest.raises(ValueError, match="nobody"):
        verify(NEW, headers(NEW) | {"webhook-id": "evt_2"}, BODY.encode())
    with pytest.raises(ValueError, match="old"):
        verify(NEW, headers(NEW, age=301), BODY.encode())


def test_the_tables_and_the_example_are_true() -> None:
    listed = dict(re.findall(r"^\| `(\w+\.\w+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert listed == dict(EVENTS)
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert json.loads(example) == RECEIVED.payload
    [told] = re.findall(r"after (5 s, .*?): ten attempts", " ".join(PAGE.split()))
    seconds = {"s": 1, "min": 60, "h": 3600}
    waits = [int(n) * seconds[unit] for n, unit in re.findall(r"(\d+) (s|min|h)\b", told)]
    assert waits == [delay.total_seconds() for delay in DELAYS]
