"""A refusal names every bad file, in every layout, up to a bound."""

from pathlib import Path

import numpy as np
import pytest

from tests.worker.layouts.good_files import arrays, folder, gray, image, pixels, zipped
from tests.worker.layouts.zip_builder import Entry, build_zip
from worker.layouts import BadDataset, Limits, read_archive, read_in_sandbox
from worker.layouts.findings import MOST_LISTED


def refusal(tmp_path: Path, upload: bytes) -> BadDataset:
    (tmp_path / "upload").write_bytes(upload)
    with pytest.raises(BadDataset) as caught:
        read_archive(tmp_path / "upload", tmp_path / "out", Limits(), lambda *_: None)
    assert not list(tmp_path.glob("out/*"))
    return caught.value


def named(problem: BadDataset) -> dict[str | None, str]:
    assert problem.report["total"] == len(problem.report["files"])
    return {entry["file"]: entry["code"] for entry in problem.report["files"]}


def test_one_bad_file_is_the_whole_report(tmp_path: Path) -> None:
    problem = refusal(tmp_path, zipped(folder() | {"train/a/9.png": gray()[:50]}))
    assert named(problem) == {"train/a/9.png": "image_truncated"}
    assert "more" not in problem.message


def test_every_bad_file_of_a_folder_is_named(tmp_path: Path) -> None:
    entries = [
        Entry("train/a/locked.png", gray(), flags=1),
        Entry("../evil.png", gray()),
        Entry("train/a/7.png", gray(), crc=1),
        Entry("train/a/8.png", gray()[:50]),
        Entry("README.md", b"# Photos"),
        *(Entry(name, data) for name, data in folder().items()),
        Entry("train/b/9.png", image(pixels(8, 8), "GIF")),
        Entry("train/b/10.png", gray(side=9)),
        Entry("train/b/0.png", gray()),
    ]
    problem = refusal(tmp_path, build_zip(entries))
    assert named(problem) == {
        "train/a/locked.png": "zip_encrypted",
        "../evil.png": "zip_unsafe_name",
        "train/a/7.png": "zip_damaged",
        "train/a/8.png": "image_truncated",
        "README.md": "layout_unknown",
        "train/b/9.png": "image_format_unsupported",
        "train/b/10.png": "mixed_sizes",
        "train/b/0.png": "zip_duplicate_name",
    }
    assert (problem.code, problem.member) == ("zip_encrypted", "train/a/locked.png")
    assert "7 more" in problem.message


def test_every_class_that_is_too_small_is_named(tmp_path: Path) -> None:
    members = folder() | {f"train/{name}/0.png": gray() for name in "cd"}
    assert named(refusal(tmp_path, zipped(members))) == {
        "train/c/": "class_too_small",
        "train/d/": "class_too_small",
    }


def test_images_of_another_size_than_most_are_named(tmp_path: Path) -> None:
    members = {"train/a/first.png": gray(side=9)} | folder() | {"test/a/9.png": gray(side=10)}
    assert named(refusal(tmp_path, zipped(members))) == {
        "train/a/first.png": "mixed_sizes",
        "test/a/9.png": "mixed_sizes",
    }


def test_every_bad_array_is_named(tmp_path: Path) -> None:
    upload = arrays(
        x_train=np.zeros((6, 8, 8)), y_test=np.zeros((4, 2), int), x_clean=np.zeros((6, 8, 8))
    )
    assert named(refusal(tmp_path, upload)) == {"x_clean": "npz_array_unknown"}
    upload = arrays(x_train=np.zeros((6, 8, 8)), y_test=np.zeros((4, 2), int))
    assert named(refusal(tmp_path, upload)) == {
        "x_train": "images_not_uint8",
        "y_test": "labels_shape",
    }


def test_many_are_counted_and_some_are_named(tmp_path: Path) -> None:
    """Also through the sandbox's pipe."""
    members = {f"train/a/{i:03}.png": b"no image" for i in range(MOST_LISTED + 50)}
    (tmp_path / "upload").write_bytes(zipped(folder() | members))
    with pytest.raises(BadDataset) as caught:
        read_in_sandbox(
            tmp_path / "upload", tmp_path / "out", Limits(), lambda *_: None, lambda: False
        )
    report = caught.value.report
    assert report["total"] == MOST_LISTED + 50
    assert [entry["file"] for entry in report["files"]] == list(members)[:MOST_LISTED]
    assert f"{MOST_LISTED + 49} more" in caught.value.message
