"""The picture that owners look at: samples before, their noise, and after."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Images = NDArray[np.uint8]

COLUMNS = 8
TILE = 84  # pixels of a drawn sample's longer side
GAP = 8
MARGIN = 24
LABELS = 150  # width of the column that names the rows
PAPER, INK, QUIET = (255, 255, 255), (24, 24, 27), (113, 113, 122)


def draw_samples(
    before: Images, after: Images, labels: NDArray[np.int64], linf: int, path: Path
) -> None:
    """Draw one sample of each of the first classes as a PNG of three rows.

    Args:
        before, after: uint8 (N, H, W, C).
        labels: int64 (N,); the first image of each class is drawn, up to eight.
        linf: largest change in 1/255; the noise is drawn around mid grey at full contrast.
        path: the PNG to write.
    """
    chosen = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)[:COLUMNS]]
    change = after[chosen].astype(np.int16) - before[chosen]
    noise = np.clip(127.5 + change * (127.5 / max(linf, 1)), 0, 255).astype(np.uint8)
    rows = [
        ("before", "as uploaded", before[chosen]),
        ("noise", f"at most {linf}/255", noise),
        ("after", "as published", after[chosen]),
    ]
    width = 2 * MARGIN + LABELS + len(chosen) * (TILE + GAP) - GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + 3 * (TILE + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (title, remark, images) in enumerate(rows):
        top = MARGIN + row * (TILE + GAP)
        draw.text((MARGIN, top + TILE // 2 - 20), title, INK, _font(19))
        draw.text((MARGIN, top + TILE // 2 + 4), remark, QUIET, _font(14))
        for column, image in enumerate(images):
            tile = _tile(image)
            left = MARGIN + LABELS + column * (TILE + GAP)
            sheet.paste(tile, (left + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2))
    sheet.save(path, optimize=True)


def add_caption(picture: Path, text: str) -> None:
    """Write a line under a drawn picture, in place."""
    with Image.open(picture) as opened:
        sheet = opened.convert("RGB")
    taller = Image.new("RGB", (sheet.width, sheet.height + MARGIN), PAPER)
    taller.paste(sheet, (0, 0))
    ImageDraw.Draw(taller).text(
        (MARGIN, sheet.height - MARGIN // 2), text, INK, _font(17), anchor="lt"
    )
    taller.save(picture, optimize=True)


def _tile(image: Images) -> Image.Image:
    """One sample, enlarged in whole pixels where it is small."""
    height, width = image.shape[:2]
    drawn = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return drawn.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
