"""What can be wrong with a job or with what is asked of it."""

from core import lifecycle
from core.problem import Refused
from core.tables import Dataset, Job
from service.kit.problems import Conflict


def job_not_found() -> Refused:
    return Refused("job_not_found", "There is no such job. GET /v1/jobs lists yours.", status=404)


def dataset_not_ready(dataset: Dataset, param: str = "dataset_id") -> Conflict:
    """The dataset is being validated, or was rejected."""
    if dataset.status == lifecycle.VALIDATING:
        return Conflict(
            "dataset_not_ready",
            "The dataset is still being validated. GET it until its status is ready.",
            param,
            retry_after=2,
        )
    return Conflict(
        "dataset_not_ready",
        "The dataset was rejected; its error says why. Upload it again once that is put right.",
        param,
    )


def budget_out_of_range(limit: int) -> Refused:
    return Refused(
        "budget_out_of_range",
        f"budget_seconds may be at most {limit} on this server.",
        "budget_seconds",
    )


def training_length_ambiguous() -> Refused:
    return Refused(
        "training_length_ambiguous",
        "Give budget_seconds or training_steps, not both.",
        "training_steps",
    )


def training_steps_out_of_range(limit: int) -> Refused:
    return Refused(
        "training_steps_out_of_range",
        f"training_steps may be at most {limit} on this server.",
        "training_steps",
    )


def untargeted_without_label_map() -> Refused:
    return Refused(
        "untargeted_without_label_map",
        "untargeted says what becomes of classes that a label_map leaves out; give a label_map.",
        "untargeted",
    )


def class_unknown(name: object, position: int) -> Refused:
    return Refused(
        "class_unknown",
        f"{str(name)[:80]!r} is no class of this dataset; GET the dataset to see its classes.",
        f"protected_fraction.classes.{position}",
    )


def job_cannot_change(job: Job) -> Conflict:
    """What is asked of the job comes too late."""
    if job.status == lifecycle.CANCELLING:
        return Conflict(
            "job_being_cancelled",
            "The job is being cancelled, which cannot be taken back. Start it anew once it is.",
        )
    ended = "been cancelled" if job.status == lifecycle.CANCELLED else job.status
    return Conflict(
        "job_already_finished", f"The job has {ended}; there is nothing left to stop or resume."
    )


def job_has_no_dataset(param: str | None = None) -> Conflict:
    return Conflict(
        "job_not_succeeded",
        "The job has no protected dataset: it has not succeeded, or its files have expired.",
        param,
    )
