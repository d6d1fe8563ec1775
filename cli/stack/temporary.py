"""A data folder for tests and trials, of which nothing stays."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.stack.account import public_root
from cli.stack.folder import read_json


@contextmanager
def temporary_data() -> Iterator[Path]:
    """A path for a data folder; whatever a stack wrote there is gone at the end.

    PostgreSQL's user can enter it also when we are root, unlike the folders of pytest.
    """
    top = Path(tempfile.mkdtemp(prefix="unlearnable-"))
    if os.geteuid() == 0:
        top.chmod(0o711)
    data = top / "data"
    try:
        yield data
    finally:
        marker = read_json(data / "folder.json")
        if marker is not None and os.geteuid() == 0:
            # The cluster lies there if even the folder for temporary files is closed to others.
            shutil.rmtree(public_root() / marker["id"], ignore_errors=True)
        shutil.rmtree(top)


@contextmanager
def given_or_temporary(data: Path | None) -> Iterator[Path]:
    """`data` itself, or a temporary one if it is None."""
    if data is not None:
        yield data
        return
    with temporary_data() as path:
        yield path
