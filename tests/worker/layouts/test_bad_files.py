"""Each bad upload is refused by its code and member, in a sentence, and leaves nothing behind."""

from pathlib import Path

import pytest

from tests.worker.layouts.bad_files import BAD_FILES
from worker.layouts import CODES, BadDataset, Limits, read_archive


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    bad = BAD_FILES[name]
    upload = tmp_path / "upload"
    upload.write_bytes(bad.build())
    with pytest.raises(BadDataset) as caught:
        read_archive(upload, tmp_path / "out", Limits(), lambda _done, _all: None)
    problem = caught.value
    assert (problem.code, problem.member) == (bad.code, bad.member)
    assert problem.code in CODES
    assert problem.message[0].isupper()
    assert problem.message.endswith(".")
    assert not list(tmp_path.glob("out/*"))


def test_each_name_is_used_once() -> None:
    from tests.worker.layouts import (
        bad_archives,
        bad_arrays,
        bad_disguises,
        bad_formats,
        bad_images,
        bad_metadata,
    )

    parts = (
        bad_archives.BAD_ARCHIVES,
        bad_images.BAD_IMAGES,
        bad_arrays.BAD_ARRAYS,
        bad_disguises.BAD_DISGUISES,
        bad_formats.BAD_FORMATS,
        bad_metadata.BAD_METADATA,
    )
    assert len(BAD_FILES) == sum(map(len, parts)) >= 300
