"""The picture that owners look at."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from worker.picture import COLUMNS, GAP, LABELS, MARGIN, TILE, add_caption, draw_samples


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (200, 120, 3), (8, 40, 1)])
@pytest.mark.parametrize("classes", [2, 30])
def test_three_rows_of_one_sample_per_class(
    tmp_path: Path, shape: tuple[int, int, int], classes: int
) -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 200, (2 * classes, *shape), dtype=np.uint8)
    after = before + rng.integers(0, 9, before.shape, dtype=np.uint8)
    labels = np.repeat(np.arange(classes), 2)
    path = tmp_path / "preview.png"
    draw_samples(before, after, labels, 8, path)
    with Image.open(path) as picture:
        columns = min(classes, COLUMNS)
        assert picture.width == 2 * MARGIN + LABELS + columns * (TILE + GAP) - GAP
        height = picture.height
    add_caption(path, "97.5 % before, 3.1 % after")
    with Image.open(path) as picture:
        assert picture.height == height + MARGIN
        strip = np.asarray(picture)[height - MARGIN // 2 :]
        assert strip.min() < 100  # something is written there


def test_noise_is_drawn_around_grey_at_full_contrast(tmp_path: Path) -> None:
    before = np.full((2, 8, 8, 1), 100, np.uint8)
    after = before.copy()
    after[0, :4], after[0, 4:] = 110, 90
    path = tmp_path / "preview.png"
    draw_samples(before, after, np.array([0, 1]), 10, path)
    with Image.open(path) as picture:
        noise = np.asarray(picture)[
            MARGIN + TILE + GAP : MARGIN + 2 * TILE + GAP,
            MARGIN + LABELS : MARGIN + LABELS + TILE,
            0,
        ]
    assert (noise[10, 10], noise[-10, 10]) == (255, 0)
