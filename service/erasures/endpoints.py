"""/v1/datasets/{dataset_id}/erase and /v1/erasures"""

from fastapi import APIRouter, Response

from core.erasure import PREFIX
from service.datasets.problems import dataset_not_found
from service.erasures import service
from service.erasures.schemas import COMPLETED, PAGE, PENDING, Erasure
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, failures, success
from service.kit.idempotency import IdempotentRoute
from service.kit.pages import ListOf, PageDep, cursor_invalid

PATH = "/v1/erasures"

requests = APIRouter(prefix="/v1/datasets", tags=["erasures"], route_class=IdempotentRoute)
router = APIRouter(prefix=PATH, tags=["erasures"])


@requests.post(
    "/{dataset_id}/erase",
    status_code=202,
    response_model=Erasure,
    summary="Erase a dataset and all that was made of it",
    responses={
        **success(202, "It will be erased.", PENDING, {"Location": "The receipt's address."}),
        **failures(dataset_not_found()),
    },
)
def erase_dataset(dataset_id: str, response: Response, caller: CallerDep) -> Erasure:
    """Erase the original, its decoded form, and of every job and evaluation that has read it the
    protected files, checkpoints, generator, report and figures; from the database the names of
    dataset and classes, the results, and your metadata. The ids of jobs and their times stay.

    Jobs that have not ended are cancelled, also those that protect other images with a generator
    that was trained on this dataset. Dataset, files and generators are gone at once; their bytes
    follow as soon as no worker can write any more, mostly within a minute. The receipt says when
    nothing was left. What was made of *other* datasets with such a generator stays, and so do
    backups, which are with whoever runs this server.

    Works on datasets that were deleted before. Asking again changes nothing and gives the same
    receipt.
    """
    row = service.request(caller.tenant_id, dataset_id)
    response.headers["Location"] = f"{PATH}/{row.id}"
    response.headers["Retry-After"] = "5"
    return Erasure.of(row)


@router.get(
    "",
    response_model=ListOf[Erasure],
    summary="List erasures",
    responses={
        **success(200, "Your receipts, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_erasures(caller: CallerDep, page: PageDep) -> ListOf[Erasure]:
    """Your receipts, newest first, a page at a time."""
    rows, has_more = service.page_of(caller.tenant_id, page)
    return ListOf(data=[Erasure.of(row) for row in rows], has_more=has_more)


@router.get(
    "/{erasure_id}",
    response_model=Erasure,
    summary="Read the receipt of an erasure",
    responses={
        **success(200, "The receipt.", COMPLETED),
        **failures(service.erasure_not_found()),
    },
)
def get_erasure(erasure_id: str, caller: CallerDep) -> Erasure:
    """What was erased and when. Receipts are kept for good."""
    return Erasure.of(service.get(caller.tenant_id, erasure_id))
