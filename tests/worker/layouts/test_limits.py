"""Caps hold, and what is refused costs neither time nor memory."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.worker.layouts.bad_files import BAD_FILES
from tests.worker.layouts.good_files import arrays, folder, gray, image, pixels, zipped
from worker.layouts import BadDataset, DatasetSummary, Limits, read_archive

# Reads one upload and prints what came of it how far memory grew, in MiB, and seconds.
_MEASURE = """
import json, resource, sys, time
from pathlib import Path
from worker.layouts import BadDataset, Limits, read_archive
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
begin = time.perf_counter()
try:
    code = read_archive(Path(sys.argv[1]), Path(sys.argv[2]), Limits(), lambda *_: None).layout
except BadDataset as problem:
    code = problem.code
print(json.dumps({"code": code, "grown": peak() - before,
    "seconds": time.perf_counter() - begin}))
"""


def measured(folder: Path, upload: bytes) -> dict[str, Any]:
    (folder / "upload").write_bytes(upload)
    command = [sys.executable, "-c", _MEASURE, str(folder / "upload"), str(folder / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", ["bomb", "bomb_that_declares_little", "million_members"])
def test_bombs_need_little_memory_and_time(tmp_path: Path, name: str) -> None:
    result = measured(tmp_path, BAD_FILES[name].build())
    assert result["code"] == BAD_FILES[name].code
    assert result["grown"] < 24
    assert result["seconds"] < 1


def test_large_arrays_are_streamed(tmp_path: Path) -> None:
    """160 MB of pixels through a few MB of memory."""
    upload = arrays(
        x_train=np.zeros((2000, 160, 160, 3), np.uint8),
        y_train=np.arange(2000) % 2,
        x_test=np.zeros((80, 160, 160, 3), np.uint8),
        y_test=np.arange(80) % 2,
    )
    result = measured(tmp_path, upload)
    assert result["code"] == "npz"
    assert result["grown"] < 24


_FOLDER = zipped(folder())
_NOISE = zipped({f"{c}/{i}.png": image(pixels(20, 20, seed=i)) for c in "ab" for i in range(3)})
_SMALLEST = Limits(
    max_members=6,
    max_images=6,
    max_member_bytes=len(gray()),
    max_total_bytes=sum(map(len, folder().values())),
    max_decoded_bytes=6 * 64,
    max_side=8,
    max_pixels=64,
    max_classes=2,
)


def images_of(summary: DatasetSummary) -> int:
    return sum(sum(classes.values()) for classes in summary.counts.values())


def test_limits_are_inclusive(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(_FOLDER)
    summary = read_archive(upload, tmp_path / "out", _SMALLEST, lambda _done, _all: None)
    assert images_of(summary) == 6


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"max_members": 5}, "too_many_members"),
        ({"max_images": 5}, "too_many_images"),
        ({"max_member_bytes": len(gray()) - 1}, "member_too_large"),
        ({"max_total_bytes": 6 * len(gray()) - 1}, "dataset_too_large"),
        ({"max_decoded_bytes": 6 * 64 - 1}, "dataset_too_large"),
        ({"max_side": 7}, "image_too_large"),
        ({"max_pixels": 63}, "image_too_large"),
        ({"max_classes": 1}, "too_many_classes"),
        ({"min_images_per_class": 3}, "class_too_small"),
        ({"max_name_bytes": 8}, "zip_unsafe_name"),
        ({"max_ratio": 0, "ratio_floor_bytes": 0}, "zip_bomb"),
    ],
)
def test_one_less_is_refused(tmp_path: Path, change: dict[str, int], code: str) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(_FOLDER)
    with pytest.raises(BadDataset) as caught:
        read_archive(upload, tmp_path / "out", replace(_SMALLEST, **change), lambda *_: None)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"max_images": 9}, "too_many_images"),
        ({"max_classes": 1}, "too_many_classes"),
        ({"max_decoded_bytes": 639}, "dataset_too_large"),
    ],
)
def test_arrays_have_the_same_limits(tmp_path: Path, change: dict[str, int], code: str) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(arrays())
    with pytest.raises(BadDataset) as caught:
        read_archive(upload, tmp_path / "out", replace(Limits(), **change), lambda *_: None)
    assert caught.value.code == code
    assert not list(tmp_path.glob("out/*"))


def test_zip64_archives_are_read(tmp_path: Path) -> None:
    """As written by programs that do so for every member."""
    import zipfile

    upload = tmp_path / "upload"
    with zipfile.ZipFile(upload, "w") as archive:
        for name, data in folder().items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    summary = read_archive(upload, tmp_path / "out", Limits(), lambda _done, _all: None)
    assert images_of(summary) == 6
