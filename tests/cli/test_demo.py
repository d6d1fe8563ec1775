"""What the demo concludes, and the bytes that it concludes it from."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from rich.console import Console

from cli.client import Evaluation, Job, Verdict
from cli.demo.check import BytesDiffer, Checked, check_protected
from cli.demo.follow import follow
from cli.demo.run import DemoFailed, judge, parse_map
from cli.demo.table import results_table

BOUND = 76  # floor(255 * 0.3)


def evaluation(baseline: float = 99.0, protected: float = 4.0) -> Evaluation:
    return Evaluation(
        baseline_accuracy=baseline,
        protected_accuracy=protected,
        targeted_success=31.5,
        linf=BOUND,
        psnr_db=14.6,
        seconds_training=100.0,
        seconds_total=171.0,
        test_images=2000,
        verdict=Verdict(protects=True, summary="Protection is demonstrated."),
    )


@pytest.fixture
def arrays() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (6, 8, 8), dtype=np.uint8),
        "y_train": np.arange(6, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (3, 8, 8), dtype=np.uint8),
        "y_test": np.arange(3, dtype=np.uint8),
    }


def moved(images: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
    """Every pixel moved by `by` to where there is room."""
    return np.where(images < 128, images + np.uint8(by), images - np.uint8(by)).astype(np.uint8)


def compare(
    tmp_path: Path, before: dict[str, NDArray[np.uint8]], after: dict[str, NDArray[np.uint8]]
) -> Checked:
    np.savez(tmp_path / "before.npz", **before)
    np.savez(tmp_path / "after.npz", **after)
    return check_protected(tmp_path / "before.npz", tmp_path / "after.npz", "0.3")


def test_what_was_promised(tmp_path: Path, arrays: dict[str, NDArray[np.uint8]]) -> None:
    after = arrays | {"x_train": moved(arrays["x_train"], BOUND)}
    assert compare(tmp_path, arrays, after) == Checked(images=6, linf=BOUND, bound=BOUND)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda a: {"x_train": moved(a["x_train"], BOUND + 1)}, "a pixel moved by 77/255"),
        (lambda a: {"x_train": a["x_train"]}, "6 images were not protected"),
        (lambda a: {"y_train": a["y_train"][::-1]}, "y_train was changed"),
        (lambda a: {"x_test": moved(a["x_test"], 1)}, "x_test was changed"),
        (lambda a: {"x_train": a["x_train"][:5]}, "another shape"),
        (lambda a: {"x_train": a["x_train"].astype(np.float32)}, "another shape or type"),
        (lambda a: {"extra": a["y_test"]}, "instead of"),
    ],
)
def test_what_was_not_promised(  # type: ignore[no-untyped-def]
    tmp_path: Path, arrays: dict[str, NDArray[np.uint8]], change, complaint: str
) -> None:
    after = {"x_train": moved(arrays["x_train"], 5)}
    with pytest.raises(BytesDiffer, match=complaint):
        compare(tmp_path, arrays, arrays | after | change(arrays))


def test_the_exit_rule() -> None:
    judge(evaluation(baseline=95.0, protected=15.0))
    with pytest.raises(DemoFailed, match="Nothing is shown"):
        judge(evaluation(baseline=94.9))
    with pytest.raises(DemoFailed, match="Not protected"):
        judge(evaluation(protected=15.1))


def test_label_maps_on_the_command_line() -> None:
    assert parse_map(None) is None
    assert parse_map("shift") == "shift"
    assert parse_map("0:1, 1:0") == {"0": "1", "1": "0"}
    for wrong in ("0", "0:1,0:2", ""):
        with pytest.raises(typer.BadParameter):
            parse_map(wrong)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_job_is_followed_to_its_end(terminal: bool) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=40)
    states = [
        Job(id="j", status="queued"),
        Job(
            id="j",
            status="running",
            phase="training",
            progress=0.4,
            estimated_finish_at=soon,
            metrics={"victim_loss": 0.5, "held_out_accuracy": 37.5, "seconds_training": 3},
        ),
        Job(id="j", status="succeeded", progress=1.0),
    ]
    console = Console(force_terminal=terminal, record=True, width=140, quiet=False)
    assert follow(iter(states).__next__, console).status == "succeeded"
    shown = console.export_text()
    assert "succeeded" in shown
    assert "100%" in shown
    if not terminal:
        assert "held out accuracy 37.5 %" in shown
        assert " s left, done at " in shown


def test_the_table_names_every_figure() -> None:
    console = Console(record=True, width=120)
    console.print(results_table(evaluation(), Checked(12_000, BOUND, BOUND), seconds=180.0))
    shown = console.export_text()
    for figure in ("99.0 %", "4.0 %", "31.5 %", "76/255", "14.6 dB", "12,000", "100 s", "171 s"):
        assert figure in shown
