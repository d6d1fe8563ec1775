"""The Python client of unlearnable: release labelled images that nobody can train on.

    from unlearnable import Unlearnable

    with Unlearnable() as client:
        dataset = client.datasets.upload("photos")
        job = client.jobs.create(dataset.id, epsilon="8/255")
        client.jobs.wait(job.id)
        for artifact in client.artifacts.list(job.id):
            client.artifacts.download(artifact, "protected")

`AsyncUnlearnable` has the same methods, to be awaited. It stands alone: of this repository it
imports nothing, and of others httpx2.
"""

from unlearnable.account_models import ApiKey, Delivery, Erasure, Webhook
from unlearnable.client import AsyncUnlearnable, Unlearnable
from unlearnable.errors import (
    ApiError,
    BadRequest,
    BadSource,
    ChecksumMismatch,
    Conflict,
    ConnectionFailed,
    DatasetRejected,
    FieldError,
    JobCancelled,
    JobFailed,
    Misconfigured,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    ServerError,
    StoreRefused,
    UnexpectedAnswer,
    UnlearnableError,
    WaitTimeout,
)
from unlearnable.models import (
    Artifact,
    BadFile,
    Dataset,
    Estimate,
    Evaluation,
    Event,
    Failure,
    Generator,
    Job,
    PairEvaluation,
    Study,
    Upload,
    ValidationReport,
    Verdict,
)
from unlearnable.version import __version__

__all__ = [
    "ApiError",
    "ApiKey",
    "Artifact",
    "AsyncUnlearnable",
    "BadFile",
    "BadRequest",
    "BadSource",
    "ChecksumMismatch",
    "Conflict",
    "ConnectionFailed",
    "Dataset",
    "DatasetRejected",
    "Delivery",
    "Erasure",
    "Estimate",
    "Evaluation",
    "Event",
    "Failure",
    "FieldError",
    "Generator",
    "Job",
    "JobCancelled",
    "JobFailed",
    "Misconfigured",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "PairEvaluation",
    "RateLimited",
    "ServerError",
    "StoreRefused",
    "Study",
    "UnexpectedAnswer",
    "Unlearnable",
    "UnlearnableError",
    "Upload",
    "ValidationReport",
    "Verdict",
    "WaitTimeout",
    "Webhook",
    "__version__",
]
