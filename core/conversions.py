"""Protected datasets in other layouts: which there are, and what their rows are called."""

from typing import Final, Literal

Layout = Literal["image_folder", "parquet", "npz"]

KIND: Final = "conversion"
"""Of the job, whose `parent_id` is the job that protected the dataset."""

STEP: Final = "convert"
FILES: Final = "converted_dataset"
MANIFEST: Final = "conversion_manifest"
