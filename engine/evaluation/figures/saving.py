"""A figure on disk: the picture, and beside it, as JSON, everything that is drawn in it."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.evaluation.figures.style import DescribedFigure

PACKED = "zlib+base64"


@dataclass(frozen=True)
class SavedFigure:
    """Where a figure lies, and what a reader who cannot see it is told.

    Attributes:
        picture: the PNG, SVG or PDF.
        data: the JSON beside it: "figure" (name of the data's class), "description", "data".
        description: alternative text, for `![description](picture)`.
    """

    picture: Path
    data: Path
    description: str

    def markdown(self) -> str:
        """The figure as a line of Markdown in a file that lies in the same folder."""
        return f"![{self.description}]({self.picture.name})"


def save_figure(
    figure: DescribedFigure,
    data: Any,
    path_without_suffix: str | Path,
    *,
    kind: Literal["png", "svg", "pdf"] = "png",
) -> SavedFigure:
    """Write the picture and the JSON of what it shows.

    Args:
        figure: what a function of this package returned.
        data: what that function was given.
        path_without_suffix: "." and the kind, and ".json", are added; the folder must exist.
        kind: "png" at 150 dots an inch, or "svg" or "pdf".
    """
    path = Path(path_without_suffix)
    picture = path.with_name(f"{path.name}.{kind}")
    beside = path.with_name(f"{path.name}.json")
    # No date in the file: the same figure gives the same bytes again.
    metadata: dict[str, Any] = {"Description": figure.description}
    if kind == "svg":
        metadata["Date"] = None
    if kind == "pdf":
        metadata = {"Subject": figure.description, "CreationDate": None}
    figure.savefig(picture, format=kind, dpi=150, facecolor="white", metadata=metadata)
    content = {
        "figure": type(data).__name__,
        "description": figure.description,
        "data": plain(data),
    }
    text = json.dumps(content, indent=1, allow_nan=False)
    # A list of numbers on one line: thousands of lines of a number each are for nobody.
    text = re.sub(r"\[\s+([^][{}\"]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)
    beside.write_text(text + "\n", encoding="utf-8")
    return SavedFigure(picture, beside, figure.description)


def plain(value: Any) -> Any:
    """Dataclasses, mappings, sequences and arrays as JSON values.

    NaN and infinities, which JSON has not, become null; floats of arrays keep 6 digits. Arrays of
    three and more dimensions, which are images, are packed: see `unpacked`.

    Raises:
        TypeError: a value of any other type.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _packed(value) if value.ndim > 2 else _numbers(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def unpacked(value: Mapping[str, Any]) -> NDArray[Any]:
    """The array that `plain` packed: {"dtype", "shape", "zlib+base64": its bytes, C order}."""
    content = zlib.decompress(base64.b64decode(value[PACKED]))
    return np.frombuffer(content, np.dtype(value["dtype"])).reshape(value["shape"])


def _packed(array: NDArray[Any]) -> dict[str, Any]:
    content = zlib.compress(np.ascontiguousarray(array).tobytes(), 9)
    return {
        "dtype": array.dtype.newbyteorder("<").str,
        "shape": list(array.shape),
        PACKED: base64.b64encode(content).decode("ascii"),
    }


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return plain(float(f"{value:.6g}")) if isinstance(value, float) else plain(value)
