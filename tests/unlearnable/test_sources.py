"""A folder becomes the same zip each time, without a copy on the disk."""

import io
import zipfile
from pathlib import Path

import pytest

from unlearnable import BadSource
from unlearnable.sources import cut, measure, source_of


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("train/cat/b.png", "train/cat/a.png", "train/dog/ü.png", "test/cat/c.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
    for hidden in (".DS_Store", "train/.cache/x.png", "train/cat/Thumbs.db"):
        path = folder / hidden
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"hidden")
    return folder


def test_a_folder_is_a_zip(photos: Path) -> None:
    source = source_of(photos)
    content = b"".join(source.chunks())
    assert source.name == "photos.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        names = ["test/cat/c.png", "train/cat/a.png", "train/cat/b.png", "train/dog/ü.png"]
        assert archive.namelist() == names
        assert archive.read("train/dog/ü.png") == "train/dog/ü.png".encode() * 1000
    (photos / "train/cat/a.png").touch()
    assert b"".join(source.chunks()) == content
    assert measure(source)[0] == len(content)


def test_parts_are_all_of_it(photos: Path) -> None:
    source = source_of(photos)
    parts = list(cut(source, 1000))
    assert {len(part) for part in parts[:-1]} == {1000}
    assert 0 < len(parts[-1]) <= 1000
    assert b"".join(parts) == b"".join(source.chunks())


def test_what_cannot_be_uploaded(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="no file and no folder"):
        source_of(tmp_path / "nothing")
    with pytest.raises(BadSource, match="holds no files"):
        measure(source_of(tmp_path))
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "lost.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadSource, match=r"lost\.png"):
        measure(source_of(tmp_path))
