"""Every query on points of series, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.tables import MetricPoint


class SeriesRepository:
    """One tenant's points."""

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def of_job(self, job_id: str) -> list[MetricPoint]:
        """What a job measured, oldest first."""
        return list(
            self._session.scalars(
                select(MetricPoint)
                .where(MetricPoint.tenant_id == self._tenant_id, MetricPoint.job_id == job_id)
                .order_by(MetricPoint.id)
            )
        )
