"""Members of a zip that tells nothing but names and bytes: equal input gives equal archives."""

import zipfile
from collections.abc import Iterable
from typing import Final

# The first moment a zip can name: dates would tell when an image was taken or edited.
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_FILE_MODE: Final = 0o100644 << 16
_FOLDER_MODE: Final = (0o040755 << 16) | 0x10
_ZIP64_FROM: Final = 1 << 31


def write_member(
    target: zipfile.ZipFile,
    name: str,
    pieces: Iterable[bytes],
    *,
    method: int = zipfile.ZIP_STORED,
    size: int = 0,
) -> None:
    """Add a file, or a folder if the name ends with a slash.

    Args:
        target: open for writing.
        name: within the archive.
        pieces: the bytes.
        method: how they are packed; encoded images do not deflate further.
        size: bytes expected, where they may be more than 2 GiB.
    """
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system = _UNIX
    info.external_attr = _FOLDER_MODE if name.endswith("/") else _FILE_MODE
    info.compress_type = method
    with target.open(info, "w", force_zip64=size >= _ZIP64_FROM) as file:
        for piece in pieces:
            file.write(piece)
