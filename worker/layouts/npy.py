"""One array of an npz: its header, checked before anything is allocated, and its bytes.

`numpy.load` would allocate what a header declares before it has seen a byte of it. Here every
header is read from a bounded prefix and checked against the size of its member, and the body is
streamed.
"""

import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from worker.layouts.problem import BadDataset
from worker.layouts.zip_directory import Member
from worker.layouts.zip_reader import ZipReader

SUFFIX: Final = ".npy"
"""With which an array's member name ends."""

_HEADER_BYTES: Final = 16 * 1024
"""Within so many bytes the header of a plain array ends; numpy itself allows 10,000."""


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """One array of the archive, by its header.

    Attributes:
        member: where it lies.
        name: without `.npy`.
        shape, dtype: as declared, and checked against the member's size.
        body_at: bytes of the header.
    """

    member: Member
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    body_at: int


def inspect_array(archive: ZipReader, member: Member) -> ArrayInfo:
    """Read and check the header of one `.npy` member.

    Raises:
        BadDataset: `npz_array_damaged`, `npz_object_array`, `npz_fortran_order`.
    """
    name = member.name.removesuffix(SUFFIX)
    start = b""
    for piece in archive.pieces(member):
        start += piece
        if len(start) >= _HEADER_BYTES:
            break
    header = io.BytesIO(start[:_HEADER_BYTES])
    # numpy parses the header as a Python literal and a dtype: whatever these two raise on hostile
    # text, the header is no header.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(header)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read(header)
    except Exception as error:
        raise _damaged("has no readable header", name) from error
    if dtype.hasobject:
        raise BadDataset(
            "npz_object_array",
            "The array holds Python objects, which are never loaded. Save plain numbers: images "
            "as uint8, labels as int64.",
            name,
        )
    if any(isinstance(side, bool) or side < 0 for side in shape):
        raise _damaged("has an impossible shape", name)
    if header.tell() + math.prod(shape) * dtype.itemsize != member.size:
        raise _damaged("has another size than its header declares", name)
    if fortran_order:
        raise BadDataset(
            "npz_fortran_order",
            "The array is stored column by column. Save np.ascontiguousarray(array) instead.",
            name,
        )
    return ArrayInfo(member, name, shape, dtype, header.tell())


def array_bytes(archive: ZipReader, info: ArrayInfo) -> Iterator[bytes]:
    """The bytes of the array after its header, piece by piece."""
    skip = info.body_at
    for piece in archive.pieces(info.member):
        yield piece[skip:]
        skip = max(0, skip - len(piece))


def array_header(info: ArrayInfo) -> bytes:
    """A header for the same array, as numpy writes it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header,
        {
            "descr": np.lib.format.dtype_to_descr(info.dtype),
            "fortran_order": False,
            "shape": info.shape,
        },
    )
    return header.getvalue()


def _damaged(how: str, name: str) -> BadDataset:
    return BadDataset(
        "npz_array_damaged",
        f"The array {how}. Write the file again with numpy.savez_compressed.",
        name,
    )
