"""A look at a dataset: some images of each class on one PNG, a row for each class in turn."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from worker.layouts.canonical import Canonical, load_canonical

CONTACT_SHEET: Final = "contact-sheet.png"
MOST_CLASSES: Final = 20
COLUMNS: Final = 10
TILE: Final = 48
"""Pixels of a drawn image's longer side."""

_GAP: Final = 4
_PAPER: Final = (255, 255, 255)


def draw_contact_sheet(folder: Path) -> None:
    """Draw the training images of the canonical form in `folder` beside it.

    The first ten images of each of the first twenty classes; enlarged in whole pixels where they
    are small, so that they are seen as they are.
    """
    canonical = load_canonical(folder)
    classes = min(len(canonical.summary.classes), MOST_CLASSES)
    step = TILE + _GAP
    sheet = Image.new("RGB", (COLUMNS * step + _GAP, classes * step + _GAP), _PAPER)
    for label in range(classes):
        for column, row in enumerate(np.flatnonzero(canonical.train_labels == label)[:COLUMNS]):
            tile = _tile(canonical, int(row))
            left = _GAP + column * step + (TILE - tile.width) // 2
            sheet.paste(tile, (left, _GAP + label * step + (TILE - tile.height) // 2))
    sheet.save(folder / CONTACT_SHEET, optimize=True)


def _tile(canonical: Canonical, row: int) -> Image.Image:
    pixels = np.asarray(canonical.train_images[row])
    height, width, channels = pixels.shape
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).convert("RGB")
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)
