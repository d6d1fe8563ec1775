"""The two pools of workers, and of the steps that each takes."""

from typing import Final

INGEST: Final = "ingest"
"""What somebody waits for on the line, and what shall not stand behind a training: reading uploads,
protecting a few images. Needs no GPU."""

COMPUTE: Final = "compute"
"""Trains, protects, evaluates; one process per GPU."""

POOLS: Final = (INGEST, COMPUTE)
