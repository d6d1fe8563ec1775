"""How fast steps were on this installation, for estimates.

Workers note seconds and units of work under a name that says what kind of work it was; nothing else
of the job is kept. Until a name has been measured, a documented default stands in: that of two
cores of a laptop.
"""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.tables import Speed

# How much the newest measurement counts: about the last ten matter.
NEWEST = 0.2
# Seconds for a million pixel values, before anything was measured.
DEFAULTS = {
    "train": 1.0,  # of a training step
    "protect": 0.2,
    "evaluate": 0.06,  # of one pass; small networks
    "evaluate/resnet-18": 1.5,
    "report": 5.0,  # a report, whatever the data
}


def note(session: Session, name: str, units: float, seconds: float) -> None:
    """Remember how long `units` of work took."""
    if units <= 0:
        return
    pace = seconds / units
    statement = insert(Speed).values(name=name, seconds_per_unit=pace, samples=1)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Speed.name],
            set_={
                "seconds_per_unit": (1 - NEWEST) * Speed.seconds_per_unit + NEWEST * pace,
                "samples": Speed.samples + 1,
            },
        )
    )


def known(session: Session) -> dict[str, float]:
    """Measured seconds a unit, by name."""
    return {row.name: row.seconds_per_unit for row in session.scalars(select(Speed))}


def pace(measured: dict[str, float], name: str) -> float:
    """Seconds a unit of work: measured, or of the kind of work, or the default."""
    kind = name.split("/")[0]
    for source, key in ((measured, name), (DEFAULTS, name), (measured, kind)):
        if key in source:
            return source[key]
    return DEFAULTS[kind]
