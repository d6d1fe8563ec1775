"""Every query on events, each for one tenant."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.ids import number_of, numbered_id
from core.tables import Event
from service.kit.ids import could_be
from service.kit.pages import cursor_invalid

PREFIX = "evt"


def public_id(number: int) -> str:
    """The id under which an event is known outside; sorts as its number does."""
    return numbered_id(PREFIX, number)


def number_after(cursor: str | None) -> int:
    """The number of the event that a cursor names; 0, which comes before all, if there is none.

    Raises:
        Refused: code `cursor_invalid`.
    """
    if cursor is None:
        return 0
    number = number_of(cursor) if could_be(cursor, PREFIX) else -1
    if not 0 <= number < 2**63:
        raise cursor_invalid(PREFIX)
    return number


class EventRepository:
    """One tenant's events.

    Those of one job are written under the lock of its row, so a number that is seen later than
    another is also greater.
    """

    def __init__(self, session: Session, tenant_id: str) -> None:
        self._session = session
        self._tenant_id = tenant_id

    def of(self, subject_id: str, after: int, limit: int) -> list[Event]:
        """What happened to a job after an event, oldest first."""
        return list(
            self._session.scalars(
                select(Event)
                .where(
                    Event.tenant_id == self._tenant_id,
                    Event.subject_id == subject_id,
                    Event.id > after,
                )
                .order_by(Event.id)
                .limit(limit)
            )
        )
