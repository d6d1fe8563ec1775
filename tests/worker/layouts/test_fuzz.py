"""Whatever is uploaded, the answer is a dataset or a `BadDataset`."""

import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.layouts.good_files import arrays, folder, zipped
from tests.worker.layouts.zip_builder import Entry, build_zip
from worker.layouts import CODES, BadDataset, Limits, load_canonical, read_archive

SEEDS = [zipped(folder()), arrays(), build_zip([Entry(n, d) for n, d in folder().items()])]
LIMITS = Limits(ratio_floor_bytes=1 << 20, max_decoded_bytes=1 << 24)


def read(upload: bytes) -> str:
    """The layout or the code of the refusal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "upload").write_bytes(upload)
        try:
            summary = read_archive(folder / "upload", folder / "out", LIMITS, lambda *_: None)
        except BadDataset as problem:
            assert problem.code in CODES  # noqa: PT017
            assert not list(folder.glob("out/*"))
            return problem.code
        assert load_canonical(folder / "out").summary == summary
        return summary.layout


@given(st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_random_bytes(data: bytes) -> None:
    assert read(data) in CODES
    assert read(b"PK\x03\x04" + data) in CODES


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0), st.integers(0, 7)), max_size=6))
@settings(max_examples=300, deadline=None)
def test_flipped_bits(seed: bytes, flips: list[tuple[int, int]]) -> None:
    data = bytearray(seed)
    for at, bit in flips:
        data[at % len(data)] ^= 1 << bit
    read(bytes(data))


@given(st.sampled_from(SEEDS), st.integers(0), st.integers(0), st.binary(max_size=30))
@settings(max_examples=200, deadline=None)
def test_spliced_archives(seed: bytes, start: int, length: int, patch: bytes) -> None:
    at = start % len(seed)
    read(seed[:at] + patch + seed[at + length % 40 :])


@given(
    st.sampled_from(SEEDS),
    st.integers(0, 11),
    st.sampled_from([0, 1, 7, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]),
    st.sampled_from([b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"]),
)
@settings(max_examples=200, deadline=None)
def test_header_fields_at_their_limits(seed: bytes, word: int, value: int, magic: bytes) -> None:
    data = bytearray(seed)
    at = data.index(magic) + 4 + 4 * word
    struct.pack_into("<L", data, min(at, len(data) - 4), value)
    read(bytes(data))


@pytest.mark.parametrize("which", range(len(SEEDS)))
def test_every_truncation_is_refused(which: int) -> None:
    seed = SEEDS[which]
    for end in np.linspace(0, len(seed) - 1, 60, dtype=int):
        assert read(seed[:end]) in {"not_an_archive", "zip_truncated", "zip_damaged"}
