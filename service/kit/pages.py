"""Lists, newest first, page by page after a cursor that is simply the last id seen."""

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.problem import Refused
from service.kit.ids import could_be

Row = TypeVar("Row")
Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel):
    """Which part of a list is asked for."""

    limit: int
    after: str | None


async def _page(
    limit: Annotated[int, Query(ge=1, le=100, description="How many, from 1 to 100.")] = 20,
    after: Annotated[
        str | None,
        Query(description="The id of the last item of the page before.", max_length=64),
    ] = None,
) -> Page:
    return Page(limit=limit, after=after)


PageDep = Annotated[Page, Depends(_page)]


class ListOf(BaseModel, Generic[Item]):
    """A page of a list. For the next one, send the id of the last item as `after`."""

    object: Literal["list"] = "list"
    data: list[Item] = Field(description="The items, newest first.")
    has_more: bool = Field(description="Whether there is a page after this one.")


def cursor_invalid(prefix: str) -> Refused:
    """The cursor is no id of the list's noun."""
    return Refused(
        "cursor_invalid",
        f"after must be the id of an item of this list, such as {prefix}_..., or be left out.",
        "after",
    )


def fetch_page(
    session: Session,
    query: Select[Row],
    id_column: InstrumentedAttribute[str],
    prefix: str,
    page: Page,
) -> tuple[list[Row], bool]:
    """The rows of one page of `query`, and whether more follow.

    Raises:
        Refused: code `cursor_invalid`.
    """
    if page.after is not None:
        if not could_be(page.after, prefix):
            raise cursor_invalid(prefix)
        query = query.where(id_column < page.after)
    rows = list(session.scalars(query.order_by(id_column.desc()).limit(page.limit + 1)))
    return rows[: page.limit], len(rows) > page.limit
