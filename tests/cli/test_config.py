"""`unlearnable config` on the environment of a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings
from tests.cli.conftest import COMMAND


@pytest.mark.parametrize(
    "command", [[str(COMMAND), "config"], [sys.executable, "-m", "core", "config"]]
)
def test_config_prints_sources_and_hides_secrets(
    servers: Settings, command: list[str], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(servers.secret_key.get_secret_value())
    environment = os.environ | {
        "UNLEARNABLE_SECRET_KEY": "",
        "UNLEARNABLE_SECRET_KEY_FILE": str(secret),
        "UNLEARNABLE_MAX_LOST": "4",
    }
    done = subprocess.run(
        [*command, "--json"], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    rows = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert (rows["max_lost"]["value"], rows["max_lost"]["source"]) == (4, "env")
    assert rows["secret_key"]["source"] == f"file {secret}"
    assert secret.read_text().encode() not in done.stdout
    refused = subprocess.run(
        command,
        env=environment | {"UNLEARNABLE_MAX_LOST": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "refused: UNLEARNABLE_MAX_LOST" in refused.stdout
