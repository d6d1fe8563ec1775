"""Settings refuse what is unsafe, take secrets from files, and tell where each came from."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from core.settings import Settings
from core.settings_files import is_secret
from core.settings_report import MASK, Row, markdown, report

KEY = "b7c1d0e9f2a34856b7c1d0e9f2a34856"
SAFE: dict[str, Any] = {
    "database_url": "postgresql+psycopg://u:Ab3kd9vLq0@db.internal:5432/unlearnable",
    "broker_url": "redis://:Zb3kd9vLq1@broker.internal:6379/0",
    "secret_key": KEY,
}
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine; the safe ones, as variables."""
    for name in list(os.environ):
        if name.upper().startswith("UNLEARNABLE_"):
            monkeypatch.delenv(name)
    for name, value in SAFE.items():
        monkeypatch.setenv(f"UNLEARNABLE_{name.upper()}", value)


def rows() -> dict[str, Row]:
    return {row.name: row for row in report().rows}


def test_safe_settings_are_accepted() -> None:
    assert Settings().lease_seconds > Settings().heartbeat_seconds


@pytest.mark.parametrize(
    "change",
    [
        {"database_url": "postgresql+psycopg://u@db.internal/unlearnable"},
        {"database_url": "postgresql+psycopg://u:postgres@db.internal/unlearnable"},
        {"database_url": "postgresql+psycopg://u:Ab3kd9v@db.internal/unlearnable"},
        {"broker_url": "redis://broker.internal:6379/0"},
        {"broker_url": "amqp://guest:guest@broker.internal/"},
        {"secret_key": "short"},
        {"secret_key": "s" * 64},
        {"s3_endpoint_url": "http://s3.internal", "s3_secret_access_key": "minioadmin"},
        {
            "s3_endpoint_url": "http://s3.internal",
            "s3_access_key_id": "same",
            "s3_secret_access_key": "same",
        },
        {"s3_public_endpoint_url": "http://store.example.org"},
        {"heartbeat_seconds": 20, "lease_seconds": 30},
        {"max_upload_bytes": 0},
    ],
)
def test_unsafe_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(**change)
    for secret in (*SAFE.values(), "Ab3kd9v", "postgres@", "minioadmin"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"database_url": "postgresql+psycopg://u:postgres@127.0.0.1/x"},
        {"s3_endpoint_url": "http://127.0.0.1:8333", "s3_secret_access_key": "secret"},
        {"s3_public_endpoint_url": "http://store.example.org", "allow_plain_http": True},
        {"s3_public_endpoint_url": "https://store.example.org"},
        {"s3_endpoint_url": "http://seaweedfs:8333", "s3_secret_access_key": KEY},
    ],
)
def test_what_only_this_machine_or_an_encrypted_network_sees_is_fine(
    change: dict[str, Any],
) -> None:
    Settings(**change)


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARNABLE_MAX_LOST", "")
    assert Settings().max_lost == 3


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef" * 2 + "\n")
    monkeypatch.setenv("UNLEARNABLE_SECRET_KEY_FILE", str(path))
    with pytest.raises(SettingsError, match="both set"):
        Settings()
    monkeypatch.delenv("UNLEARNABLE_SECRET_KEY")
    assert Settings().secret_key.get_secret_value() == "0123456789abcdef" * 2
    row = rows()["secret_key"]
    assert (row.value, row.source) == (MASK, f"file {path}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot read .* No such file"), (b"", "is empty"), (b"\xff", "is not text")],
)
def test_a_secret_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv("UNLEARNABLE_SECRET_KEY")
    monkeypatch.setenv("UNLEARNABLE_SECRET_KEY_FILE", str(path))
    with pytest.raises(SettingsError, match=reason):
        Settings()
    [problem] = report().problems
    assert "UNLEARNABLE_SECRET_KEY_FILE" in problem


def test_only_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNLEARNABLE_MAX_LOST_FILE", str(tmp_path / "missing"))
    assert Settings().max_lost == 3
    assert report().notes == ["UNLEARNABLE_MAX_LOST_FILE is no setting; UNLEARNABLE_MAX_LOST is"]


def test_the_report_tells_value_and_source_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNLEARNABLE_LEASE_SECONDS", "60")
    monkeypatch.setenv("unlearnable_s3_secret_access_key", "a-secret-of-the-store")
    found = rows()
    assert set(found) == set(Settings.model_fields)
    assert (found["lease_seconds"].value, found["lease_seconds"].source) == (60.0, "env")
    assert (found["max_lost"].value, found["max_lost"].source) == (3, "default")
    assert found["database_url"].value == (
        f"postgresql+psycopg://u:{MASK}@db.internal:5432/unlearnable"
    )
    for text in (report().to_json(), report().to_text(), repr(Settings())):
        for secret in ("Ab3kd9vLq0", "Zb3kd9vLq1", KEY, "a-secret-of-the-store"):
            assert secret not in text
    printed = json.loads(report().to_json())
    assert printed["problems"] == []
    assert printed["rows"][0]["variable"] == "UNLEARNABLE_DATABASE_URL"


def test_the_report_of_refused_settings_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNLEARNABLE_BROKER_URL")
    monkeypatch.setenv("UNLEARNABLE_MAX_LOST", "many")
    found = report()
    assert rows()["broker_url"].source == "missing"
    assert rows()["max_lost"].value == "many"
    assert any(line.startswith("UNLEARNABLE_BROKER_URL: ") for line in found.problems)
    assert any(line.startswith("UNLEARNABLE_MAX_LOST: ") for line in found.problems)
    assert "refused: " in found.to_text()


def test_every_setting_is_described_and_every_secret_marked() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        looks_secret = re.search("url$|key|secret", name) and "public" not in name
        assert is_secret(field) == bool(looks_secret and name != "s3_endpoint_url"), name


def test_the_table_of_the_documentation_is_this_one() -> None:
    found = re.search(
        r"<!-- settings: .*?-->\n(.*?)\n<!-- end of settings -->", OPERATIONS.read_text(), re.S
    )
    assert found is not None
    assert found[1] == markdown(), "write the output of `python -m core config --markdown` there"
