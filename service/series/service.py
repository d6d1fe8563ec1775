"""Bringing the points of a job together into series."""

import json
from collections import defaultdict

from core.database import reading
from core.tables import MetricPoint
from service.jobs import service as jobs
from service.series.repository import SeriesRepository
from service.series.schemas import JobMetrics, Series


def of_job(tenant_id: str, job_id: str) -> JobMetrics:
    """The series of a job, in the order in which they began.

    Raises:
        Refused: `job_not_found`.
    """
    jobs.get(tenant_id, job_id)
    parts: defaultdict[tuple[str, str], list[MetricPoint]] = defaultdict(list)
    with reading() as session:
        for point in SeriesRepository(session, tenant_id).of_job(job_id):
            parts[point.phase, json.dumps(point.source, sort_keys=True)].append(point)
    return JobMetrics(job_id=job_id, series=[Series.of(points) for points in parts.values()])
