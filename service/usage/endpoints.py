"""/v1/usage"""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from service.kit.auth import CallerDep
from service.kit.documented import failures, success
from service.kit.problems import Refusal
from service.usage import service
from service.usage.schemas import EXAMPLE, Usage

router = APIRouter(prefix="/v1/usage", tags=["usage"])

_DAY_INVALID = Refusal(422, "field_invalid", "start: Input should be a valid date.", "start")


@router.get(
    "",
    response_model=Usage,
    summary="See what you use",
    responses={
        **success(200, "What you have now, and have used.", EXAMPLE),
        **failures(_DAY_INVALID, service.period_invalid()),
    },
)
def get_usage(
    caller: CallerDep,
    start: Annotated[
        date | None, Query(description="First day (UTC); by default the first of `end`'s month.")
    ] = None,
    end: Annotated[date | None, Query(description="Last day (UTC); by default today.")] = None,
) -> Usage:
    """Bytes, datasets, images and jobs at this moment, seconds of computing in a period of up to
    366 days, and every quota with what is used of it.

    What would go beyond a quota is refused with 403 `quota_exceeded`, before anything is done.
    """
    return service.of(caller.tenant_id, start, end)
