"""Asking for an erasure, and finding its receipt."""

from core import erasure
from core.database import reading, transaction
from core.problem import Refused
from core.tables import Erasure
from service.datasets.problems import dataset_not_found
from service.datasets.repository import PREFIX
from service.erasures.repository import ErasureRepository
from service.kit.ids import could_be
from service.kit.pages import Page


def erasure_not_found() -> Refused:
    return Refused(
        "erasure_not_found",
        "There is no such erasure. GET /v1/erasures lists yours.",
        status=404,
    )


def request(tenant_id: str, dataset_id: str) -> Erasure:
    """Ask for a dataset to be erased, also one that was deleted before.

    Raises:
        Refused: `dataset_not_found`.
    """
    with transaction() as session:
        row = None
        if could_be(dataset_id, PREFIX):
            row = erasure.request(session, tenant_id, dataset_id)
        if row is None:
            raise dataset_not_found()
        return row


def get(tenant_id: str, erasure_id: str) -> Erasure:
    """One receipt.

    Raises:
        Refused: `erasure_not_found`.
    """
    with reading() as session:
        row = ErasureRepository(session, tenant_id).get(erasure_id)
    if row is None:
        raise erasure_not_found()
    return row


def page_of(tenant_id: str, page: Page) -> tuple[list[Erasure], bool]:
    """A page of the tenant's receipts, and whether more follow."""
    with reading() as session:
        return ErasureRepository(session, tenant_id).page(page)
