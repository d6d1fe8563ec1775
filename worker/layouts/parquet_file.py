"""Hostile parquet: every way in which pyarrow can fail on it is one refusal.

pyarrow is loaded only when a parquet file comes. It is a large C++ library on hostile bytes: it
reads in the sandbox only, one thread, a few values at a time.

Why pyarrow (50 MB to download, next to a gigabyte of torch) and no reader of our own: thrift, five
encodings, nested levels and six compressions are what attackers would look for first, and pyarrow
is the reader that the rest of the field feeds with fuzzers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.layouts.problem import BadDataset

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC: Final = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether this file says that it is parquet."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def load_pyarrow() -> None:
    """Import pyarrow with one thread; call it before the process is confined."""
    import pyarrow as pa
    import pyarrow.parquet

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


class ParquetReader:
    """One parquet file; every way in which pyarrow can fail on it is one refusal.

    Use as a context manager.

    Raises:
        BadDataset: `parquet_damaged`.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path = path
        with refusing_damage():
            self._file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)

    def __enter__(self) -> "ParquetReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def bytes(self) -> int:
        return self._path.stat().st_size

    @property
    def rows(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def unpacked_bytes(self) -> int:
        meta = self._file.metadata
        return sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))

    @property
    def schema(self) -> "pa.Schema":
        with refusing_damage():
            return self._file.schema_arrow

    def column(self, name: str, at_once: int) -> Iterator["pa.Array"]:
        """The values of a column, at most `at_once` at a time."""
        with refusing_damage():
            for batch in self._file.iter_batches(at_once, columns=[name], use_threads=False):
                yield batch.column(0)


@contextmanager
def refusing_damage() -> Iterator[None]:
    """Turn whatever pyarrow raises on hostile bytes into a refusal.

    Raises:
        BadDataset: `parquet_damaged`.
    """
    try:
        yield
    except (BadDataset, MemoryError):
        raise
    # ArrowInvalid, OSError, KeyError, UnicodeDecodeError, ...: each means an unreadable file.
    except Exception as error:
        raise BadDataset(
            "parquet_damaged",
            "The parquet file cannot be read. Write it again, or upload the whole file.",
        ) from error
