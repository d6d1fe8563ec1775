"""Uploaded datasets in, protected datasets out, in the same layout.

Here lives everything that touches an uploaded archive: the strict zip reader, the image decoder,
the layouts (image folder, npz, MNIST IDX, CIFAR-10 binary, parquet), the canonical form that all
other steps work on, the writer, and the sandbox in which hostile bytes are read. What may not live
here: torch, HTTP, the database, the object store, and the perturbation itself. Add a layout as one
file that plans (from names and headers) and one function that fills a `CanonicalWriter`, and name
it in `reader.py` and `writer.py`.
"""

from worker.layouts.canonical import CANONICAL_FILES, Canonical, DatasetSummary, load_canonical
from worker.layouts.contact_sheet import CONTACT_SHEET
from worker.layouts.few_images import FoundImage, ImageFile, load_images, read_images
from worker.layouts.image import encode_png
from worker.layouts.limits import Limits
from worker.layouts.problem import CODES, BadDataset, ReadCancelled
from worker.layouts.read_back import WrittenDatasetDiffers, read_back
from worker.layouts.reader import read_archive
from worker.layouts.sandboxed import (
    ReaderCrashed,
    read_images_in_sandbox,
    read_in_sandbox,
)
from worker.layouts.writer import protected_name, write_protected

__all__ = [
    "CANONICAL_FILES",
    "CODES",
    "CONTACT_SHEET",
    "BadDataset",
    "Canonical",
    "DatasetSummary",
    "FoundImage",
    "ImageFile",
    "Limits",
    "ReadCancelled",
    "ReaderCrashed",
    "WrittenDatasetDiffers",
    "encode_png",
    "load_canonical",
    "load_images",
    "protected_name",
    "read_archive",
    "read_back",
    "read_images",
    "read_images_in_sandbox",
    "read_in_sandbox",
    "write_protected",
]
