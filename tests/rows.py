"""Rows as tests need them: what a test does not name has a value that nothing depends on."""

from typing import Any

from sqlalchemy.orm import Session

from core import lifecycle
from core.ids import new_id
from core.tables import Dataset, Job, Tenant


def add_tenant(session: Session) -> str:
    """A new tenant's id."""
    tenant = Tenant(id=new_id("ten"), name=new_id("name"))
    session.add(tenant)
    session.flush()
    return tenant.id


def add_dataset(session: Session, tenant_id: str | None = None, **columns: Any) -> Dataset:
    """A dataset, ready and of a new tenant unless told otherwise."""
    defaults: dict[str, Any] = {
        "id": new_id("ds"),
        "tenant_id": add_tenant(session) if tenant_id is None else tenant_id,
        "name": "d",
        "status": lifecycle.READY,
        "size_bytes": 1,
        "sha256": "",
        "upload_key": "",
    }
    dataset = Dataset(**defaults | columns)
    session.add(dataset)
    session.flush()
    return dataset


def add_job(session: Session, dataset: Dataset, **columns: Any) -> Job:
    """A job on a dataset, queued unless told otherwise; without any step."""
    defaults: dict[str, Any] = {
        "id": new_id("job"),
        "tenant_id": dataset.tenant_id,
        "dataset_id": dataset.id,
        "status": lifecycle.QUEUED,
        "epsilon": "3/10",
        "seed": 0,
        "budget_seconds": 1,
    }
    job = Job(**defaults | columns)
    session.add(job)
    session.flush()
    return job
