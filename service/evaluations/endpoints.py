"""/v1/jobs/{job_id}/evaluation"""

from fastapi import APIRouter

from core import tables
from service.evaluations import service
from service.evaluations.schemas import EXAMPLE, Evaluation
from service.jobs.endpoints import PATH
from service.jobs.problems import job_not_found
from service.kit.auth import CallerDep
from service.kit.documented import failures, success

router = APIRouter(prefix=PATH, tags=["evaluations"])


@router.get(
    "/{job_id}/evaluation",
    response_model=Evaluation,
    summary="Read the proof",
    responses={
        **success(200, "The evaluation.", EXAMPLE),
        **failures(job_not_found(), service.not_ready(tables.Job(status="running"))),
    },
)
def get_evaluation(job_id: str, caller: CallerDep) -> Evaluation:
    """How well fresh classifiers learn from the protected dataset, and from the original one.

    All accuracies are measured on clean test images that no training has seen. The classifiers
    that were trained on the protected dataset saw the very bytes that you can download.
    """
    return Evaluation.of(service.of_job(caller.tenant_id, job_id))
