"""MNIST IDX, CIFAR-10 binary and parquet: in, protected, and back in the same layout."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.worker.layouts.good_files import image, pixels, zipped
from tests.worker.layouts.more_formats import (
    batch,
    cells,
    cifar_files,
    hugging_face,
    idx_files,
    table,
)
from tests.worker.layouts.test_round_trip import images_in, opened, travel
from worker.layouts import Limits, read_archive, read_in_sandbox


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("outer", ["", "MNIST/"])
def test_idx_with_a_test_part(tmp_path: Path, packed: bool, outer: str) -> None:
    members = {f"{outer}{name}": data for name, data in idx_files(packed).items()}
    if outer:
        members = {outer: b""} | members
    trip = travel(tmp_path, zipped(members))
    assert trip.summary.layout == "mnist_idx"
    assert trip.summary.classes == ["0", "1"]
    assert trip.summary.image_shape == (8, 9, 1)
    assert trip.summary.counts == {"train": {"0": 3, "1": 3}, "test": {"0": 2, "1": 2}}
    assert np.array_equal(trip.canonical.train_images[..., 0], pixels(6, 8, 9))
    after = images_in(trip.written)
    assert list(after) == list(members)
    for name, data in members.items():
        if "train-images" not in name:
            assert after[name] == data
            continue
        before, now = (gzip.decompress(d) if packed else d for d in (data, after[name]))
        assert now[:16] == before[:16]
        assert np.array_equal(np.frombuffer(now[16:], np.uint8), 255 - pixels(6, 8, 9).ravel())


def test_idx_without_a_test_part_protects_every_image(tmp_path: Path) -> None:
    trip = travel(tmp_path, zipped(idx_files(test=False)))
    assert trip.summary.test_split == "cut"
    assert trip.summary.counts["test"] == {"0": 1, "1": 1}
    written = gzip.decompress(images_in(trip.written)["train-images-idx3-ubyte.gz"])
    assert written[16:] == (255 - pixels(6, 8, 9)).tobytes()


@pytest.mark.parametrize("test", [True, False])
def test_cifar(tmp_path: Path, test: bool) -> None:
    members = {
        f"cifar-10-batches-bin/{name}": data
        for name, data in (cifar_files(test) | {"readme.html": b"<p>"}).items()
    }
    trip = travel(tmp_path, zipped(members))
    assert trip.summary.layout == "cifar10_binary"
    assert trip.summary.classes == ["airplane", "automobile"]
    assert trip.summary.image_shape == (32, 32, 3)
    assert trip.summary.test_split == ("given" if test else "cut")
    assert any("readme.html" in note for note in trip.summary.notes)
    first = np.frombuffer(batch([0, 1, 0, 1]), np.uint8).reshape(4, 3073)[0, 1:]
    if test:
        assert np.array_equal(
            trip.canonical.train_images[0], first.reshape(3, 32, 32).transpose(1, 2, 0)
        )
    after = images_in(trip.written)
    assert list(after) == [name for name in members if "readme" not in name]
    for name, data in after.items():
        before = np.frombuffer(members[name], np.uint8)
        now = np.frombuffer(data, np.uint8)
        if "data_batch" in name:
            before, now = before.reshape(-1, 3073), now.reshape(-1, 3073)
            assert np.array_equal(now[:, 0], before[:, 0])
            assert np.array_equal(now[:, 1:], 255 - before[:, 1:])
        else:
            assert np.array_equal(now, before)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_hugging_face(tmp_path: Path, kind: str) -> None:
    trip = travel(tmp_path, hugging_face(kind=kind))
    assert trip.summary.layout == "parquet"
    assert trip.summary.classes == ["cat", "dog"]
    assert trip.summary.counts == {"train": {"cat": 5, "dog": 5}, "test": {"cat": 1, "dog": 1}}
    assert trip.written.name == "protected.parquet"
    before, after = pq.read_table(trip.upload), pq.read_table(trip.written)
    assert after.schema.names == before.schema.names
    assert after.schema.types == before.schema.types
    features = json.loads(after.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"] == {"names": ["cat", "dog"], "_type": "ClassLabel"}
    assert after["label"].equals(before["label"])
    for old, new in zip(before["image"].to_pylist(), after["image"].to_pylist(), strict=True):
        assert new["path"] == old["path"]
        assert Image.open(io.BytesIO(new["bytes"])).format == "PNG"
        assert np.array_equal(opened(new["bytes"]), 255 - opened(old["bytes"]))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([0, 1] * 6, pa.int8()), ["0", "1"]),
        (pa.array([0, 1] * 6, pa.uint64()), ["0", "1"]),
        (pa.array(["owl", "cat"] * 6), ["cat", "owl"]),
    ],
)
def test_plain_columns(tmp_path: Path, labels: Any, classes: list[str]) -> None:
    """Bytes without a path, numbers without names, or text."""
    files = [image(pixels(8, 9, seed=i)) for i in range(12)]
    trip = travel(tmp_path, table({"label": labels, "img": files}))
    assert trip.summary.classes == classes
    assert trip.summary.image_shape == (8, 9, 1)
    after = pq.read_table(trip.written)
    assert after["label"].to_pylist() == labels.to_pylist()
    assert after.schema.field("label").type == labels.type
    assert after.schema.field("img").type == pa.binary()


def test_paths_may_be_missing(tmp_path: Path) -> None:
    some = [cell | {"path": None if i % 2 else cell["path"]} for i, cell in enumerate(cells())]
    trip = travel(tmp_path, table({"image": some, "label": [0, 1] * 6}))
    paths = [cell["path"] for cell in pq.read_table(trip.written)["image"].to_pylist()]
    assert paths == [cell["path"] for cell in some]


@pytest.mark.parametrize("upload", [zipped(idx_files()), zipped(cifar_files()), hugging_face()])
def test_equal_input_gives_equal_bytes(tmp_path: Path, upload: bytes) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written.append(travel(tmp_path / name, upload).written.read_bytes())
    assert written[0] == written[1]


def test_parquet_is_read_within_the_walls(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(hugging_face())
    summary = read_in_sandbox(path, tmp_path / "out", Limits(), lambda *_: None, lambda: False)
    assert summary == read_archive(path, tmp_path / "plain", Limits(), lambda *_: None)
