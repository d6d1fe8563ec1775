"""The README's journeys do what they say, as they are written there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.owner import Arrays, Owner, save_npz

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def environment(owner: Owner, digits: Arrays, tmp_path: Path) -> dict[str, str]:
    """A folder that looks like a checkout with a running stack, on a small sample."""
    sample = tmp_path / "cli" / "data" / "mnist-sample.npz"
    sample.parent.mkdir(parents=True)
    save_npz(sample, digits)
    (tmp_path / ".unlearnable").symlink_to(owner.stack.data)
    return {**os.environ, "API": owner.stack.api_url, "KEY": owner.stack.api_key}


def test_the_shell_journey(environment: dict[str, str], tmp_path: Path) -> None:
    script = re.sub(r"^export API=.*\n", "", block("sh"), flags=re.MULTILINE)
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "succeeded" in done.stdout
    assert "fresh classifier" in done.stdout.splitlines()[-1]
    with np.load(tmp_path / "protected.npz", allow_pickle=False) as protected:
        assert len(protected["x_train"]) == 80


def test_the_python_journey(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block("python")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert {"protected.npz", "evaluation.json", "preview.png"} <= {
        path.name for path in tmp_path.iterdir()
    }


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^    |`)make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_linked_file_exists() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", README):
        if not link.startswith("https://"):
            assert (ROOT / link).exists(), link
