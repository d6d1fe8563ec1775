"""/v1/audit_events"""

from typing import Annotated

from fastapi import APIRouter, Query

from core.audit import PREFIX
from core.database import reading
from service.audit.repository import AuditRepository
from service.audit.schemas import PAGE, AuditEvent
from service.kit.auth import CallerDep
from service.kit.documented import FIELD_INVALID, failures, success
from service.kit.pages import ListOf, PageDep, cursor_invalid

router = APIRouter(prefix="/v1/audit_events", tags=["audit log"])


@router.get(
    "",
    response_model=ListOf[AuditEvent],
    summary="Read the audit log",
    responses={
        **success(200, "What was done, newest first.", PAGE),
        **failures(FIELD_INVALID, cursor_invalid(PREFIX)),
    },
)
def list_audit_events(
    caller: CallerDep,
    page: PageDep,
    object_id: Annotated[
        str | None,
        Query(pattern="^[a-z]{2,12}_[0-9a-z]{26}$", description="Only what was done to this."),
    ] = None,
) -> ListOf[AuditEvent]:
    """Everything that changed something of yours: which key, what, to which object, when, and in
    which request. Each event was written together with its change, and stays.
    """
    with reading() as session:
        rows, has_more = AuditRepository(session, caller.tenant_id).page(page, object_id)
    return ListOf(data=[AuditEvent.of(row) for row in rows], has_more=has_more)
