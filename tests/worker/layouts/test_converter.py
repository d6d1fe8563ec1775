"""A dataset in other layouts: the same pixels under the same classes, to the reader of uploads."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.worker.layouts.good_files import arrays, folder, zipped
from worker.layouts import Canonical, Limits, load_canonical, read_archive
from worker.layouts.converter import convert
from worker.layouts.image import decode_image


def quiet(_done: int, _all: int) -> None:
    return None


@pytest.fixture(params=["folder", "arrays"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Canonical:
    upload = tmp_path / "upload"
    upload.write_bytes(zipped(folder()) if request.param == "folder" else arrays())
    read_archive(upload, tmp_path / "read", Limits(), quiet)
    return load_canonical(tmp_path / "read")


def names_of(data: Canonical) -> list[list[str]]:
    return [
        [data.summary.classes[label] for label in labels]
        for labels in (data.train_labels, data.test_labels)
    ]


@pytest.mark.parametrize("layout", ["image_folder", "npz"])
def test_it_reads_like_an_upload(data: Canonical, tmp_path: Path, layout: str) -> None:
    calls: list[tuple[int, int]] = []
    for out in ("once", "twice"):
        (tmp_path / out).mkdir()
        [path] = convert(data, layout, tmp_path / out, lambda *call: calls.append(call))  # type: ignore[arg-type]
    total = len(data.train_labels) + len(data.test_labels)
    assert calls[-1] == (total, total)
    assert path.read_bytes() == (tmp_path / "once" / path.name).read_bytes()
    read_archive(path, tmp_path / "again", Limits(), quiet)
    again = load_canonical(tmp_path / "again")
    assert again.summary.layout == layout
    np.testing.assert_array_equal(again.train_images, data.train_images)
    np.testing.assert_array_equal(again.test_images, data.test_images)
    if layout == "npz":  # knows numbers only
        np.testing.assert_array_equal(again.train_labels, data.train_labels)
        np.testing.assert_array_equal(again.test_labels, data.test_labels)
    else:
        assert names_of(again) == names_of(data)


def test_parquet_is_what_hugging_face_reads(data: Canonical, tmp_path: Path) -> None:
    files = convert(data, "parquet", tmp_path, quiet)
    assert [path.name for path in files] == ["protected-train.parquet", "protected-test.parquet"]
    for path, images, labels in (
        (files[0], data.train_images, data.train_labels),
        (files[1], data.test_images, data.test_labels),
    ):
        table = pq.read_table(path)
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["image"] == {"_type": "Image"}
        assert features["label"] == {"names": data.summary.classes, "_type": "ClassLabel"}
        assert table["label"].to_pylist() == labels.tolist()
        for cell, image in zip(table["image"].to_pylist(), images, strict=True):
            assert cell["path"].endswith(".png")
            pixels = decode_image(cell["bytes"], cell["path"], Limits()).pixels
            np.testing.assert_array_equal(pixels, image)


def test_class_names_that_are_no_file_names(data: Canonical, tmp_path: Path) -> None:
    data.summary.classes[:] = ["..", "a/b"]
    [path] = convert(data, "image_folder", tmp_path, quiet)
    read_archive(path, tmp_path / "again", Limits(), quiet)
    assert load_canonical(tmp_path / "again").summary.classes == ["%2E%2E", "a%2Fb"]
