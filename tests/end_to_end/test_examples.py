"""The examples of the documentation, run as they are, and the command on the same journey."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.end_to_end.owner import CLASSES, Arrays, Owner, save_npz

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def environment(owner: Owner) -> dict[str, str]:
    return os.environ | {
        "UNLEARNABLE_URL": owner.stack.api_url,
        "UNLEARNABLE_API_KEY": owner.stack.api_key,
    }


def run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done


def pixels(path: Path) -> NDArray[np.int16]:
    with Image.open(path) as image:
        return np.asarray(image).astype(np.int16)


def test_both_examples(environment: dict[str, str], digits: Arrays, tmp_path: Path) -> None:
    save_npz(tmp_path / "digits.npz", digits)
    for name, interpreter in (("protect.py", sys.executable), ("protect.sh", "sh")):
        assert len((EXAMPLES / name).read_text().splitlines()) < 40
        command = [interpreter, str(EXAMPLES / name), "digits.npz", "0.3", f"from-{name}"]
        done = run(command, tmp_path, environment)
        verdicts = [line for line in done.stdout.splitlines() if "fresh classifier" in line]
        assert len(verdicts) == 2, name
        with np.load(tmp_path / f"from-{name}" / "protected.npz", allow_pickle=False) as protected:
            assert len(protected["x_train"]) == len(digits["x_train"])


def test_the_command_protects_a_folder(
    environment: dict[str, str], digits: Arrays, tmp_path: Path
) -> None:
    """A folder without test images goes in and comes out, all of it protected; a second job applies
    what the first has trained.
    """
    photos = tmp_path / "photos"
    for number, (image, label) in enumerate(zip(digits["x_train"], digits["y_train"], strict=True)):
        (photos / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(photos / CLASSES[label] / f"{number:04}.png")
    command = [sys.executable, "-m", "cli.main"]
    plain = ["--countermeasure", "none"]
    arguments = ["./photos", "--epsilon", "40/255", "--out", "out", "--budget", "3", *plain]
    done = run([*command, "protect", *arguments], tmp_path, environment)
    assert "training" in done.stderr
    assert "fresh classifier" in done.stdout
    names = sorted(path.relative_to(photos) for path in photos.glob("*/*"))
    published = tmp_path / "out" / "images"
    assert sorted(path.relative_to(published) for path in published.glob("*/*")) == names
    assert "set aside" in done.stderr
    changes = [
        np.abs(pixels(photos / name) - pixels(published / name)).max().item() for name in names
    ]
    assert 0 < min(changes) <= max(changes) <= 40
    private = {path.name for path in (tmp_path / "out" / "private").iterdir()}
    assert {"evaluation.json", "preview.png", "report.html"} <= private
    assert not list((tmp_path / "out").rglob("*.safetensors"))

    (job_id,) = re.findall(r"job_\w+", done.stderr)
    arguments = [job_id, "./photos", "--out", "again", "--no-unpack", "--json", *plain]
    done = run([*command, "apply", *arguments], tmp_path, environment)
    answer = json.loads(done.stdout)
    assert answer["job"]["kind"] == "application"
    assert Path(answer["published"]) == Path("again/photos.zip") or answer["published"].endswith(
        ".zip"
    )
    assert (done.stderr, (tmp_path / answer["published"]).is_file()) == ("", True)

    image = photos / names[0]
    arguments = [job_id, str(image), "--label", image.parent.name, "--out", "single"]
    run([*command, "apply", *arguments], tmp_path, environment)
    single = pixels(tmp_path / "single" / f"{image.stem}.png")
    np.testing.assert_array_equal(single, pixels(published / names[0]))
