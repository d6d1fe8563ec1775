"""Finding the evaluation of a job."""

from core import lifecycle
from core.tables import Job
from service.jobs import service as jobs
from service.kit.problems import Conflict


def not_ready(job: Job) -> Conflict:
    """The job has no evaluation yet, or ended without one."""
    if job.status in lifecycle.FINAL:
        return Conflict(
            "evaluation_not_ready", f"The job has {_ENDED[job.status]} and has no evaluation."
        )
    return Conflict(
        "evaluation_not_ready",
        "The job has not been evaluated yet. GET the job until its status is succeeded.",
        retry_after=5,
    )


_ENDED = {
    lifecycle.SUCCEEDED: "succeeded",
    lifecycle.FAILED: "failed",
    lifecycle.CANCELLED: "been cancelled",
}


def of_job(tenant_id: str, job_id: str) -> Job:
    """A job that has been evaluated.

    Raises:
        Refused: `job_not_found` or `evaluation_not_ready`.
    """
    job = jobs.get(tenant_id, job_id, with_evaluation=True)
    if job.evaluation is None:
        raise not_ready(job)
    return job
