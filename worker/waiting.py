"""Steps that wait for what another job's step makes, let go once it is there or will not come."""

from sqlalchemy import select

from core import steps
from core.database import transaction
from core.doorbell import ring
from core.pools import COMPUTE
from core.tables import Step
from worker import flow


def release_waiting_steps() -> None:
    """Look at every waiting step once, each in a transaction of its own. May run anywhere."""
    with transaction() as session:
        waiting = session.scalars(select(Step.id).where(Step.status == steps.WAITING)).all()
    for step_id in waiting:
        with transaction() as session:
            flow.release_waiting(session, step_id)
    if waiting:
        ring(COMPUTE)
