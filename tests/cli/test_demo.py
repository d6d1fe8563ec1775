"""What the demo concludes, and the bytes that it concludes it from."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from cli.demo.check import BytesDiffer, Checked, check_protected
from cli.demo.run import DemoFailed, judge
from cli.demo.table import results_table
from unlearnable import Evaluation, Verdict

BOUND = 76  # floor(255 * 0.3)


def evaluation(baseline: float = 99.0, protected: float = 4.0) -> Evaluation:
    return Evaluation(
        baseline_accuracy=baseline,
        protected_accuracy=protected,
        worst_accuracy=27.4,
        worst_learner="paper-mnist-cnn with jpeg-50",
        chance_accuracy=10.0,
        epsilon=0.3,
        classes=[str(digit) for digit in range(10)],
        job_id="job_1",
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


def test_the_table_names_every_figure() -> None:
    console = Console(record=True, width=120)
    console.print(results_table(evaluation(), Checked(12_000, BOUND, BOUND), seconds=180.0))
    shown = console.export_text()
    for figure in (
        "99.0 %",
        "4.0 %",
        "with jpeg-50",
        "27.4 %",
        "31.5 %",
        "76/255",
        "14.6 dB",
        "12,000",
        "100 s",
        "171 s",
    ):
        assert figure in shown
