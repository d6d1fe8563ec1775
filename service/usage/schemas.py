"""Usage as owners read it."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field


class StoredBytes(BaseModel):
    """Bytes that are kept now. Working copies, such as decoded pixels, are not counted."""

    total: int = Field(description="All of them; what the quota `bytes` limits.")
    datasets: int = Field(description="Originals as you uploaded them.")
    uploads: int = Field(description="Announced by resumable uploads that are under way.")
    results: int = Field(description="What jobs made: protected datasets, generators, reports.")


class Day(BaseModel):
    """One day (UTC)."""

    date: date
    compute_seconds: float = Field(description="What ended on that day; today also what runs.")


class Quota(BaseModel):
    """A limit, and how much of it is used."""

    name: Literal["bytes", "datasets", "images", "concurrent_jobs", "compute_seconds"] = Field(
        description="What is limited; the `param` of a `quota_exceeded`. `compute_seconds` is for "
        "the current month (UTC)."
    )
    limit: int | None = Field(description="The most there may be; null: no limit.")
    used: float = Field(description="What is used of it now.")


class Usage(BaseModel):
    """What you have at this moment, and what was computed for you in a period."""

    object: Literal["usage"] = "usage"
    bytes_stored: StoredBytes
    datasets: int = Field(description="Datasets that are ready or being validated.")
    images: int = Field(description="Images of all ready datasets.")
    concurrent_jobs: int = Field(description="Jobs and evaluations that have not ended.")
    start: date = Field(description="First day of the period (UTC).")
    end: date = Field(description="Last day of the period (UTC).")
    compute_seconds: float = Field(
        description="Seconds that workers computed for you in the period, also for jobs that "
        "failed or were deleted since."
    )
    days: list[Day] = Field(description="The same by day, without days on which nothing was.")
    quotas: list[Quota]


EXAMPLE = Usage(
    bytes_stored=StoredBytes(total=10331914, datasets=4211870, uploads=0, results=6120044),
    datasets=1,
    images=14780,
    concurrent_jobs=1,
    start=date(2026, 11, 1),
    end=date(2026, 11, 23),
    compute_seconds=187.4,
    days=[Day(date=date(2026, 11, 22), compute_seconds=187.4)],
    quotas=[
        Quota(name="bytes", limit=100_000_000_000, used=10331914),
        Quota(name="datasets", limit=None, used=1),
        Quota(name="images", limit=None, used=14780),
        Quota(name="concurrent_jobs", limit=10, used=1),
        Quota(name="compute_seconds", limit=360_000, used=187.4),
    ],
)
