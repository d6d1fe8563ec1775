"""Settings refuse what is unsafe."""

from typing import Any

import pytest
from pydantic import ValidationError

from core.settings import Settings

SAFE: dict[str, Any] = {
    "database_url": "postgresql+psycopg://u:Ab3kd9vLq0@db.internal:5432/unlearnable",
    "broker_url": "redis://:Ab3kd9vLq0@broker.internal:6379/0",
    "secret_key": "s" * 32,
}


def test_safe_settings_are_accepted() -> None:
    assert Settings(**SAFE).lease_seconds > Settings(**SAFE).heartbeat_seconds


@pytest.mark.parametrize(
    "change",
    [
        {"database_url": "postgresql+psycopg://u@db.internal/unlearnable"},
        {"database_url": "postgresql+psycopg://u:postgres@db.internal/unlearnable"},
        {"broker_url": "redis://broker.internal:6379/0"},
        {"secret_key": "short"},
        {"heartbeat_seconds": 20, "lease_seconds": 30},
        {"max_upload_bytes": 0},
    ],
)
def test_unsafe_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**(SAFE | change))


def test_a_known_password_is_fine_on_loopback() -> None:
    Settings(**(SAFE | {"database_url": "postgresql+psycopg://u:postgres@127.0.0.1/x"}))
