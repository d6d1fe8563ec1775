"""An upload goes in, is protected, comes out in its own layout and is read back."""

import io
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.worker.layouts.good_files import arrays, folder, gray, image, packed, pixels, zipped
from tests.worker.layouts.zip_builder import DEFLATED, Entry, build_zip
from worker.layouts import (
    Canonical,
    DatasetSummary,
    Limits,
    WrittenDatasetDiffers,
    load_canonical,
    protected_name,
    read_archive,
    read_back,
    write_protected,
)


class Trip(NamedTuple):
    """An upload, what was read, and what was written for it (every protected pixel inverted)."""

    upload: Path
    canonical: Canonical
    written: Path

    @property
    def summary(self) -> DatasetSummary:
        return self.canonical.summary


def travel(folder: Path, upload: bytes) -> Trip:
    path = folder / "upload"
    path.write_bytes(upload)
    calls: list[tuple[int, int]] = []
    summary = read_archive(path, folder / "out", Limits(), lambda *call: calls.append(call))
    canonical = load_canonical(folder / "out")
    assert canonical.summary == summary
    assert DatasetSummary.from_json(summary.to_json()) == summary
    total = len(canonical.train_labels) + len(canonical.test_labels)
    assert (calls[0], calls[-1]) == ((0, total), (total, total))
    written = folder / protected_name(summary)
    write_protected(path, canonical, *inverted(canonical), written, lambda _done, _all: None)
    assert not list(folder.glob("*.part"))
    back = read_back(written, canonical)
    assert np.array_equal(back["train"], 255 - canonical.train_images)
    cut = summary.test_split == "cut"
    assert np.array_equal(
        back["test"], 255 - canonical.test_images if cut else canonical.test_images
    )
    return Trip(path, canonical, written)


def inverted(canonical: Canonical) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    cut = canonical.summary.test_split == "cut"
    return 255 - canonical.train_images, 255 - canonical.test_images if cut else None


def opened(data: bytes) -> NDArray[np.uint8]:
    """What Pillow makes of a file on its own."""
    return np.asarray(Image.open(io.BytesIO(data)))


def images_in(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def many(kind: str, *shape: int, count: int = 13) -> dict[str, bytes]:
    """Three classes of `count` images without a split."""
    return {
        f"{name}/{i}.{kind.lower()}": image(pixels(*shape, seed=100 * n + i), kind)
        for n, name in enumerate(("dog", "cat", "émeu"))
        for i in range(count)
    }


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("shape", [(8, 9), (16, 12, 3)])
def test_folder_without_split_protects_every_image(
    tmp_path: Path, kind: str, shape: tuple[int, ...]
) -> None:
    members = many(kind, *shape)
    trip = travel(tmp_path, zipped(members))
    # WebP knows no gray.
    channels = 3 if len(shape) == 3 or kind == "WEBP" else 1
    assert trip.summary.layout == "image_folder"
    assert trip.summary.classes == ["cat", "dog", "émeu"]
    assert trip.summary.image_shape == (*shape[:2], channels)
    assert trip.summary.test_split == "cut"
    assert trip.summary.counts == {
        "train": {"cat": 11, "dog": 11, "émeu": 11},
        "test": {"cat": 2, "dog": 2, "émeu": 2},
    }
    after = images_in(trip.written)
    assert list(after) == list(members)
    for name, data in members.items():
        assert after[name].startswith(b"\x89PNG")
        assert np.array_equal(opened(after[name]), 255 - opened(data))
    lossy_notes = [note for note in trip.summary.notes if "JPEG or WebP" in note]
    assert [note[:2] for note in lossy_notes] == ([] if kind == "PNG" else ["39"])
    assert any("6 in all" in note for note in trip.summary.notes)


@pytest.mark.parametrize("outer", ["", "photos/", "train/"])
def test_folder_with_split_copies_the_test_images(tmp_path: Path, outer: str) -> None:
    members = {f"{outer}{name}": data for name, data in folder().items()}
    members[f"{outer}test/b/1.jpg"] = image(pixels(8, 8, seed=6), "JPEG")
    trip = travel(tmp_path, zipped(members))
    assert trip.summary.test_split == "given"
    assert trip.summary.counts == {"train": {"a": 2, "b": 2}, "test": {"a": 1, "b": 2}}
    after = images_in(trip.written)
    assert list(after) == list(members)
    for name, data in members.items():
        if "test/" in name:
            assert after[name] == data
        else:
            assert np.array_equal(opened(after[name]), 255 - opened(data))
    assert any("Do not publish" in note for note in trip.summary.notes)
    assert not any("JPEG" in note for note in trip.summary.notes)


def test_training_folder_alone_counts_as_no_split(tmp_path: Path) -> None:
    members = {name: data for name, data in folder().items() if name.startswith("train")}
    trip = travel(tmp_path, zipped({"train/": b""} | members))
    assert trip.summary.test_split == "cut"
    assert trip.summary.counts == {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}


def test_folders_stay_and_system_files_go(tmp_path: Path) -> None:
    members = {
        "train/": b"",
        "train/a/": b"",
        "train/a/empty/": b"",
        "train/a/.DS_Store": b"secret",
        "train/a/Thumbs.db": b"clean thumbnails",
        "train/b/": b"",
        "test/": b"",
        "test/c/": b"",
        "__MACOSX/": b"",
        "__MACOSX/train/a/._0.png": b"secret",
    } | folder()
    trip = travel(tmp_path, zipped(members))
    ignored = {name for name in members if "MACOSX" in name or "DS_" in name or "Thumbs" in name}
    assert list(images_in(trip.written)) == [name for name in members if name not in ignored]
    assert b"secret" not in trip.written.read_bytes()
    assert any(note.startswith("4 system file(s)") for note in trip.summary.notes)


def test_what_is_not_pixels_is_left_out(tmp_path: Path) -> None:
    entries = [
        Entry(name, data, DEFLATED, extra=b"\x55\x54\x05\0\x01owner", local_extra=b"")
        for name, data in folder().items()
    ]
    trip = travel(tmp_path, build_zip(entries, comment=b"by owner"))
    with zipfile.ZipFile(trip.written) as archive:
        assert archive.comment == b""
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.extra, info.comment) == (b"", b"")
    assert b"owner" not in trip.written.read_bytes()


def test_one_colour_image_turns_all_into_rgb(tmp_path: Path) -> None:
    members = folder() | {"test/a/9.png": image(pixels(8, 8, 3))}
    trip = travel(tmp_path, zipped(members))
    assert trip.summary.image_shape == (8, 8, 3)
    assert any(note.startswith("6 gray image(s) became RGB") for note in trip.summary.notes)
    first = opened(members["train/a/0.png"])
    assert np.array_equal(trip.canonical.train_images[0], np.repeat(first[:, :, None], 3, axis=2))


def test_utf8_names_without_the_flag_are_read_as_such(tmp_path: Path) -> None:
    """As macOS writes them."""
    entries = [
        Entry(f"{name}/{i}.png".encode(), gray(i)) for name in ("écru", "blau") for i in range(3)
    ]
    trip = travel(tmp_path, build_zip(entries))
    assert trip.summary.classes == ["blau", "écru"]
    assert "écru/0.png" in images_in(trip.written)


def test_old_code_page_names_are_read(tmp_path: Path) -> None:
    entries = [
        Entry(f"{name}/{i}.png".encode("cp437"), gray(i)) for name in ("é", "b") for i in range(2)
    ]
    assert travel(tmp_path, build_zip(entries)).summary.classes == ["b", "é"]


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 3)])
@pytest.mark.parametrize("labels", ["<i8", "<i4", "|u1", ">i2", "<u8"])
def test_npz_with_split(tmp_path: Path, shape: tuple[int, ...], labels: str) -> None:
    before: dict[str, NDArray[Any]] = {
        "y_test": np.array([1, 0, 2], labels),
        "x_train": pixels(7, *shape),
        "x_test": pixels(3, *shape, seed=1),
        "y_train": np.array([0, 1, 2, 0, 1, 2, 2], labels),
    }
    trip = travel(tmp_path, packed(before))
    assert trip.summary.layout == "npz"
    assert trip.summary.classes == ["0", "1", "2"]
    assert trip.summary.image_shape == (8, 9, shape[2] if len(shape) == 3 else 1)
    assert trip.summary.counts["train"] == {"0": 2, "1": 2, "2": 3}
    after = dict(np.load(trip.written, allow_pickle=False))
    assert list(after) == list(before)
    for name, array in before.items():
        assert after[name].dtype.str == array.dtype.str
        assert np.array_equal(after[name], 255 - array if name == "x_train" else array)


@pytest.mark.parametrize("compressed", [True, False])
def test_npz_without_split_keeps_order_and_compression(tmp_path: Path, compressed: bool) -> None:
    labels = np.random.default_rng(3).permutation(np.arange(40) % 3)
    before = {"x_train": pixels(40, 8, 8), "y_train": labels}
    trip = travel(tmp_path, packed(before, compressed))
    assert trip.summary.test_split == "cut"
    assert trip.summary.counts["test"] == {"0": 2, "1": 2, "2": 2}
    after = dict(np.load(trip.written, allow_pickle=False))
    assert list(after) == ["x_train", "y_train"]
    assert np.array_equal(after["x_train"], 255 - before["x_train"])
    assert np.array_equal(after["y_train"], labels)
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(trip.written) as archive:
        assert {info.compress_type for info in archive.infolist()} == {method}


@pytest.mark.parametrize("upload", [zipped(folder()), arrays(), zipped(many("JPEG", 8, 8))])
def test_equal_input_gives_equal_bytes(tmp_path: Path, upload: bytes) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written.append(travel(tmp_path / name, upload).written.read_bytes())
    assert written[0] == written[1]


def test_numpy_arrays_come_back_byte_for_byte(tmp_path: Path) -> None:
    """The header too: nothing but pixels changes in an npz that numpy wrote."""
    trip = travel(tmp_path, arrays())
    for before, after in zip(
        images_in(trip.upload).values(), images_in(trip.written).values(), strict=True
    ):
        assert before[:128] == after[:128]
        assert len(before) == len(after)


def test_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    trip = travel(tmp_path, zipped(folder()))
    protected, _ = inverted(trip.canonical)
    other = tmp_path / "other"
    other.write_bytes(zipped(folder() | {"train/a/7.png": gray(7)}))
    fewer = tmp_path / "fewer"
    fewer.write_bytes(zipped(dict(list(folder().items())[1:])))
    target = tmp_path / "new"
    cases: tuple[tuple[Path, NDArray[Any], NDArray[np.uint8] | None], ...] = (
        (trip.upload, protected[1:], None),
        (trip.upload, protected.astype(np.float32), None),
        (trip.upload, protected, protected),
        (other, protected, None),
        (fewer, protected, None),
    )
    for archive, train, cut in cases:
        with pytest.raises(ValueError, match=r"expected|cut|not in|lacks"):
            write_protected(archive, trip.canonical, train, cut, target, lambda _done, _all: None)
        assert not target.exists()
        assert not target.with_name("new.part").exists()


def test_no_rows_stand_for_no_cut(tmp_path: Path) -> None:
    """So that a caller may slice one array of all protected images."""
    trip = travel(tmp_path, zipped(folder()))
    train, _ = inverted(trip.canonical)
    again = tmp_path / "again"
    write_protected(trip.upload, trip.canonical, train, train[:0], again, lambda _d, _a: None)
    assert again.read_bytes() == trip.written.read_bytes()


def test_read_back_notices_other_names_labels_and_order(tmp_path: Path) -> None:
    trip = travel(tmp_path, zipped(folder()))
    members = images_in(trip.written)
    backwards = dict(reversed(members.items()))
    relabelled = {name.replace("train/a/0", "train/b/9"): data for name, data in members.items()}
    fewer = dict(list(members.items())[:-1])
    for changed in (backwards, relabelled, fewer):
        trip.written.write_bytes(zipped(changed))
        with pytest.raises(WrittenDatasetDiffers):
            read_back(trip.written, trip.canonical)


def test_read_back_maps_from_a_folder_when_asked(tmp_path: Path) -> None:
    trip = travel(tmp_path, arrays())
    back = read_back(trip.written, trip.canonical, into=tmp_path / "back")
    assert isinstance(back["train"], np.memmap)


def test_what_grows_in_writing_can_still_be_read_back(tmp_path: Path) -> None:
    """A PNG is larger than the JPEG it replaces; limits are for what comes in."""
    members = {
        f"{name}/{i}.jpg": image(pixels(64, 64, 3, seed=i), "JPEG", quality=20)
        for name in "ab"
        for i in range(3)
    }
    upload = tmp_path / "upload"
    upload.write_bytes(zipped(members))
    largest = max(map(len, members.values()))
    limits = Limits(max_member_bytes=largest, max_total_bytes=sum(map(len, members.values())))
    read_archive(upload, tmp_path / "out", limits, lambda _done, _all: None)
    canonical = load_canonical(tmp_path / "out")
    written = tmp_path / "written.zip"
    write_protected(upload, canonical, *inverted(canonical), written, lambda _done, _all: None)
    assert written.stat().st_size > 2 * upload.stat().st_size
    assert np.array_equal(read_back(written, canonical)["train"], 255 - canonical.train_images)
