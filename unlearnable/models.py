"""What the API answers, as dataclasses.

Members that a newer server has beside these are in `raw`, which is the answer as it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

JobStatus = Literal[
    "queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"
]
DatasetStatus = Literal["validating", "ready", "rejected", "deleted"]
UploadStatus = Literal["pending", "completed", "used", "cancelled", "expired"]
ArtifactKind = Literal[
    "protected_dataset",
    "protected_images",
    "converted_dataset",
    "conversion_manifest",
    "generator",
    "preview",
    "evaluation",
    "report",
    "figure",
    "manifest",
    "study",
]
FINAL = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Model:
    """An answer. `raw` is all of it."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Failure(Model):
    """Why a dataset was rejected or a job failed. `code` never changes."""

    code: str
    message: str
    hint: str | None = None
    param: str | None = None
    retryable: bool = False

    @property
    def told(self) -> str:
        """What happened and what to try."""
        return " ".join(filter(None, (self.message, self.hint)))


@dataclass(frozen=True, kw_only=True)
class BadFile(Model):
    """A file of an upload that cannot be used; `file` is None where it is the whole."""

    file: str | None
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ValidationReport(Model):
    """Every file of an upload that cannot be used: how many, and the first 100."""

    total: int
    files: list[BadFile]


@dataclass(frozen=True, kw_only=True)
class Dataset(Model):
    """An uploaded dataset. What validation finds out is None until it is ready.

    Attributes:
        classes: names in label order.
        counts: images by split and class.
        image_shape: height, width and channels.
        test_split: `given` with the upload, or `cut` from it.
        retention_seconds: so long after `ready_at`, at `expires_at`, the original is deleted.
    """

    id: str
    name: str
    status: DatasetStatus
    layout: str | None = None
    classes: list[str] | None = None
    counts: dict[str, dict[str, int]] | None = None
    image_shape: list[int] | None = None
    test_split: str | None = None
    notes: list[str] | None = None
    size_bytes: int
    sha256: str
    error: Failure | None = None
    validation_report: ValidationReport | None = None
    retention_seconds: int | None = None
    expires_at: datetime | None = None
    created_at: datetime
    ready_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Upload(Model):
    """A file on its way in parts, which are numbered from 1."""

    id: str
    name: str
    status: UploadStatus
    size_bytes: int
    sha256: str
    part_size_bytes: int
    part_count: int
    dataset_id: str | None
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None = None

    def part_bytes(self, number: int) -> int:
        """The size of a part."""
        return min(self.part_size_bytes, self.size_bytes - (number - 1) * self.part_size_bytes)


@dataclass(frozen=True, kw_only=True)
class Part(Model):
    """A part that has arrived."""

    number: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class PartLink(Model):
    """Where a part goes, with headers that are sent as they are."""

    number: int
    method: str
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Job(Model):
    """The protection of a dataset.

    Attributes:
        phase: what it does: `training`, `protecting`, `evaluating` or `converting`.
        progress: from 0 to 1.
        epsilon: 1 is the whole pixel range; `max_change` is the same in 1/255, rounded down.
        queue_position: while it waits and is asked for by itself; 1 is the next.
    """

    id: str
    kind: Literal["protection", "application", "images", "conversion"] = "protection"
    dataset_id: str
    generator_id: str | None = None
    status: JobStatus
    phase: str | None = None
    progress: float = 0.0
    epsilon: float
    max_change: int
    label_map: dict[str, str] | None = None
    seed: int = 0
    priority: int = 0
    deadline: datetime | None = None
    budget_seconds: int | None = None
    queue_position: int | None = None
    estimated_finish_at: datetime | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    error: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    timestamps: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in FINAL


@dataclass(frozen=True, kw_only=True)
class Event(Model):
    """Something that happened to a job."""

    id: str
    type: str
    level: str
    message: str
    data: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Estimate(Model):
    """How long a job would take, in seconds, by phase and in all.

    Attributes:
        trainings: how many victims the evaluation trains.
        measured: whether the server has done such work before.
    """

    seconds: dict[str, float]
    total_seconds: float
    trainings: int
    measured: bool


@dataclass(frozen=True, kw_only=True)
class Weights(Model):
    """A generator's weights as a safetensors file."""

    size_bytes: int
    sha256: str
    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Generator(Model):
    """A trained generator of perturbations.

    Attributes:
        conditioning: `label` if it needs the class of every image, of the same `classes`.
        image_shape: height, width and channels of what it learned from.
    """

    id: str
    job_id: str
    architecture: str
    conditioning: str
    epsilon: float
    max_change: int
    label_map: dict[str, str] | None = None
    classes: list[str]
    image_shape: list[int]
    training_steps: int
    training_seconds: float
    weights: Weights
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Verdict(Model):
    """What the figures mean.

    Attributes:
        protects: whether protection is demonstrated; None if the evaluation cannot tell.
        withstands: whether it also holds against every counter-measure that was tried; None if
            none was, or the evaluation cannot tell.
    """

    protects: bool | None
    summary: str
    withstands: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Spread(Model):
    """Over the seeds, in percent; `std` is None for a single one."""

    mean: float
    std: float | None = None


@dataclass(frozen=True, kw_only=True)
class Row(Model):
    """One way of learning from one form of the training images, over all seeds."""

    trained_on: str
    victim: str
    countermeasure: str
    accuracy: Spread
    best_epoch_accuracy: Spread
    targeted_success: Spread | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation(Model):
    """The proof. Accuracies on clean test images in percent, `linf` in 1/255, times in seconds.

    Attributes:
        job_id: the job or the evaluation that measured it.
        baseline_accuracy: of classifiers trained on the original.
        protected_accuracy: of classifiers trained on the protected.
        worst_accuracy: of the learner who got most out of the protected, `worst_learner`.
        targeted_success: share of test images taken for the class that the label map chose.
        chance_accuracy: of always answering the most frequent class.
    """

    job_id: str
    baseline_accuracy: float
    protected_accuracy: float
    worst_accuracy: float | None = None
    worst_learner: str | None = None
    targeted_success: float | None = None
    chance_accuracy: float
    verdict: Verdict
    linf: int
    psnr_db: float | None = None
    epsilon: float
    seconds_training: float | None = None
    seconds_total: float
    test_images: int
    classes: list[str]
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PairEvaluation(Model):
    """The evaluation of a pair of datasets, from the queue to its `result`."""

    id: str
    status: JobStatus
    progress: float = 0.0
    clean_dataset_id: str
    protected_dataset_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    result: Evaluation | None = None
    error: Failure | None = None
    estimated_finish_at: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in FINAL


@dataclass(frozen=True, kw_only=True)
class Point(Model):
    """One epsilon and one share of the images. Accuracies in percent, None before they are known.

    Attributes:
        remainder_accuracy: of classifiers trained on the unprotected images only.
    """

    epsilon: float
    max_change: int
    fraction: float
    job_id: str | None = None
    status: str
    baseline_accuracy: float | None = None
    protected_accuracy: float | None = None
    remainder_accuracy: float | None = None
    worst_accuracy: float | None = None
    worst_learner: str | None = None
    linf: int | None = None
    psnr_db: float | None = None


@dataclass(frozen=True, kw_only=True)
class Study(Model):
    """Accuracy against epsilon or the protected share; `points` are None in lists."""

    id: str
    dataset_id: str
    status: JobStatus
    progress: float = 0.0
    by: str
    points: list[Point] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    error: Failure | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in FINAL


@dataclass(frozen=True, kw_only=True)
class Artifact(Model):
    """A file that a job made. The link works until `expires_at`, without a key."""

    id: str
    name: str
    kind: ArtifactKind
    content_type: str
    size_bytes: int
    sha256: str
    url: str = field(repr=False)
    expires_at: datetime
