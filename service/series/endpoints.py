"""/v1/jobs/{job_id}/metrics"""

from fastapi import APIRouter, Response

from service.jobs.endpoints import PATH
from service.jobs.problems import job_not_found
from service.kit.auth import CallerDep
from service.kit.documented import failures, success
from service.kit.etag import DOCUMENTED, ETAG_HEADER, IfNoneMatch, Tagged
from service.series import service
from service.series.schemas import EXAMPLE, JobMetrics

router = APIRouter(prefix=PATH, tags=["jobs"])


@router.get(
    "/{job_id}/metrics",
    response_model=JobMetrics,
    summary="Read what a job measured over time",
    responses={
        **success(200, "The series so far; none before the job runs.", EXAMPLE, ETAG_HEADER),
        **DOCUMENTED,
        **failures(job_not_found()),
    },
)
def get_metrics(job_id: str, caller: CallerDep, if_none_match: IfNoneMatch = None) -> Response:
    """Loss and accuracies while the generator trains, and while each victim is being evaluated.

    The victim's loss and the accuracy on held-out images say how the training goes; the proof is
    the evaluation, on test images that no training has seen.
    """
    return Tagged.of(service.of_job(caller.tenant_id, job_id)).response(if_none_match)
