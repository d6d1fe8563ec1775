"""What probes are told."""

from typing import Literal

from pydantic import BaseModel, Field


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Every part answers."""

    status: Literal["ready"] = "ready"
    checks: dict[str, bool] = Field(
        description="Whether each part (`database`, `broker`, `store`) answered in time."
    )


READY = Ready(checks={"database": True, "broker": True, "store": True})
