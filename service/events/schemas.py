"""What an event looks like to the owner of its job."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from core import tables
from service.events.repository import public_id
from service.kit.pages import ListOf

Level = Literal["info", "warn", "error"]

MESSAGES = {
    "job.created": "The job waits for a worker.",
    "job.queued": "The job waits for a worker again.",
    "job.running": "A worker has begun.",
    "job.pausing": "The job is being paused.",
    "job.paused": "The job rests, until it is resumed.",
    "job.cancelling": "The job is being cancelled.",
    "job.cancelled": "The job was cancelled.",
    "job.succeeded": "The results can be downloaded.",
    "job.failed": "The job has failed; its `error` says why.",
    "job.results_expired": "The files of the results were kept as long as agreed, and are gone.",
    "step.lost": "A worker was lost. Another one goes on from the last checkpoint.",
}
LEVELS: dict[str, Level] = {"job.failed": "error", "step.lost": "warn"}


class Event(BaseModel):
    """Something that happened to a job."""

    id: str = Field(description="Starts with `evt_`. Later events of a job have greater ids.")
    object: Literal["event"] = "event"
    type: str = Field(
        description="What happened: `job.created`, `job.running`, `job.phase`, `job.succeeded`, "
        "`step.lost` ... Expect more types to come."
    )
    level: Level = Field(description="`info`, `warn` for what was repaired, or `error`.")
    message: str = Field(description="The same in words.")
    data: dict[str, Any] = Field(description="What belongs to the type, such as the `phase`.")
    created_at: datetime

    @classmethod
    def of(cls, row: tables.Event) -> Self:
        """The public view of a row."""
        data = {name: value for name, value in row.data.items() if value is not None}
        message = MESSAGES.get(row.type, f"{row.type}.")
        if row.type == "job.phase":
            message = f"The job is {data['phase']} now."
        return cls(
            id=public_id(row.id),
            type=row.type,
            level=LEVELS.get(row.type, "info"),
            message=message,
            data=data,
            created_at=row.created_at,
        )


class EventList(ListOf[Event]):
    """Events of a job. For those that follow, send the id of the last one as `after`."""

    data: list[Event] = Field(description="The events, oldest first.")


CREATED = Event(
    id=public_id(1041),
    type="job.created",
    level="info",
    message=MESSAGES["job.created"],
    data={},
    created_at=datetime.fromisoformat("2026-11-22T10:15:10Z"),
)
TRAINING = Event(
    id=public_id(1043),
    type="job.phase",
    level="info",
    message="The job is training now.",
    data={"phase": "training"},
    created_at=datetime.fromisoformat("2026-11-22T10:15:11Z"),
)
PAGE = EventList(data=[CREATED, TRAINING], has_more=True)
