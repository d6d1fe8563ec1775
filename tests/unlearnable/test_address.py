"""Where key and address come from, and what the package needs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import core
from unlearnable import Misconfigured, Unlearnable, __version__

PACKAGE = Path(__file__).parents[2] / "unlearnable"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("UNLEARNABLE_URL", "UNLEARNABLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_arguments_then_environment_then_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Misconfigured, match="UNLEARNABLE_API_KEY"):
        Unlearnable()
    (tmp_path / ".unlearnable").mkdir()
    stack = tmp_path / ".unlearnable" / "stack.json"
    stack.write_text(json.dumps({"api_url": "http://127.0.0.1:1", "api_key": "k"}))
    with Unlearnable() as client:
        assert client.base_url == "http://127.0.0.1:1"
    monkeypatch.setenv("UNLEARNABLE_API_KEY", "mine")
    with pytest.raises(Misconfigured, match="UNLEARNABLE_URL"):
        Unlearnable()  # a key of elsewhere is not sent to the local stack
    monkeypatch.setenv("UNLEARNABLE_URL", "https://api.example.org")
    with Unlearnable() as client:
        assert client.base_url == "https://api.example.org"
    with Unlearnable(base_url="http://other") as client:
        assert client.base_url == "http://other"
    with pytest.raises(Misconfigured, match="no address"):
        Unlearnable(base_url="api.example.org")


def test_another_users_stack_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".unlearnable").mkdir()
    stack = tmp_path / ".unlearnable" / "stack.json"
    stack.write_text(json.dumps({"api_url": "http://other", "api_key": "k"}))
    monkeypatch.setattr(os, "geteuid", lambda: stack.stat().st_uid + 1)
    with pytest.raises(Misconfigured):
        Unlearnable()


def test_it_is_installed_alone(tmp_path: Path) -> None:
    """The wheel holds the package and asks for httpx2, and it has the version of the service."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    assert {"unlearnable/__init__.py", "unlearnable/py.typed"} <= set(names)
    assert not any(name.startswith("..") or "pyproject" in name for name in names)
    assert [line for line in lines if line.startswith("Requires-Dist")] == [
        "Requires-Dist: httpx2>=2.16"
    ]
    assert f"Version: {core.__version__}" in lines
    assert __version__ == core.__version__
