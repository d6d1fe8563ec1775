"""The engine, the sessions and the migrations. One driver, psycopg 3, for every process."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from core.settings import get_settings

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@functools.cache
def _sessions(url: str) -> sessionmaker[Session]:
    engine = create_engine(
        url,
        pool_pre_ping=True,  # a database that was restarted costs one retry, not one request
        pool_size=10,
        max_overflow=30,
        hide_parameters=True,  # errors end in logs, where names and digests of keys must not be
        connect_args={
            "connect_timeout": 5,
            # A database host that vanishes must not hold heartbeats and requests for minutes.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        },
    )
    return sessionmaker(engine, expire_on_commit=False)


def get_engine() -> Engine:
    """The engine of this process."""
    engine = _sessions(get_settings().database_url).kw["bind"]
    assert isinstance(engine, Engine)
    return engine


@contextmanager
def transaction() -> Iterator[Session]:
    """A session that commits at the end of the block, and rolls back if it raises."""
    with _sessions(get_settings().database_url).begin() as session:
        yield session


def write_patiently(write: Callable[[Session], None], seconds: float) -> None:
    """Run `write` in a transaction, and again for `seconds` while the database is away.

    `write` must be safe to run twice: a commit whose answer was lost may have happened.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with transaction() as session:
                write(session)
            return
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def alembic_config(url: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema of the database at `url` up to `revision`."""
    from alembic import command  # a third of a second that only this function needs

    command.upgrade(alembic_config(url), revision)
