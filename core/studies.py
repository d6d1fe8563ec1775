"""Studies: the same dataset protected under several bounds, or in several shares of its images.

A study is a row of `jobs`, and the jobs that it consists of name it as their parent. For each
epsilon one job trains a generator and protects the first share; the other shares are applications
of that generator. What a point measured is read from the evaluation of its job.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from core import lifecycle
from core.job_options import JobOptions, ProtectedFraction
from core.tables import Job

KIND: Final = "study"
STEP: Final = "summarize"
PRIORITY: Final = -10
"""Of its jobs: whatever else an owner does goes first."""

MAX_POINTS: Final = 24
WAITING: Final = "waiting"
"""The status of a point whose generator is not trained yet."""


class StudyOptions(BaseModel):
    """What a study varies, and what all its jobs have in common; stored as the options of its row.

    Attributes:
        epsilons: as `Job.epsilon` has them, rising.
        fractions: shares of the images that are protected, above 0 and up to 1, rising.
        by: whether a share is of random images or of whole classes.
        common: the options of every job, without `protected_fraction` and metadata.
        metadata: the owner's notes; on top, where an erasure finds them in any job.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epsilons: list[str]
    fractions: list[float]
    by: Literal["random", "class"]
    common: JobOptions
    metadata: dict[str, str]

    def options_at(self, fraction: float) -> JobOptions:
        """The options of the job at one share."""
        wish = None if fraction == 1 else ProtectedFraction(fraction=fraction, by=self.by)
        return self.common.model_copy(
            update={"protected_fraction": wish, "metadata": self.metadata}
        )


def options_of(study: Job) -> StudyOptions:
    return StudyOptions.model_validate(study.options)


@dataclass(frozen=True)
class StudyPoint:
    """One epsilon and one share, and its job once there is one.

    `status` is the job's, `waiting` while its generator is being trained, and `failed` or
    `cancelled` if that will never be there.
    """

    epsilon: str
    fraction: float
    job: Job | None
    status: str

    @property
    def is_final(self) -> bool:
        return self.status in lifecycle.FINAL

    def measured(self) -> dict[str, Any]:
        """Accuracies in percent by what the victim was trained on, one a seed; empty before."""
        if self.job is None or self.job.evaluation is None:
            return {}
        rows = self.job.evaluation["rows"]
        return {
            row["trained_on"]: row["accuracies"]
            for row in rows
            if (row["victim"], row["countermeasure"]) == (rows[0]["victim"], "none")
        }


def points_of(study: Job, jobs: Iterable[Job]) -> list[StudyPoint]:
    """Every point of a study, by epsilon and share.

    Args:
        study: its row.
        jobs: those that have it as their parent; their evaluations must be loaded if they are
            asked for.
    """
    options = options_of(study)
    found = {(job.epsilon, _fraction_of(job)): job for job in jobs}
    points = []
    for epsilon in options.epsilons:
        first = found.get((epsilon, options.fractions[0]))
        for fraction in options.fractions:
            job = found.get((epsilon, fraction))
            points.append(StudyPoint(epsilon, fraction, job, _status(job, first)))
    return points


def _fraction_of(job: Job) -> float:
    wish = job.options.get("protected_fraction")
    return 1.0 if wish is None else float(wish["fraction"])


def _status(job: Job | None, first: Job | None) -> str:
    if job is not None:
        return job.status
    if first is not None and first.status in {lifecycle.FAILED, lifecycle.CANCELLED}:
        return first.status
    return WAITING


def as_number(epsilon: str) -> float:
    return float(Fraction(epsilon))
