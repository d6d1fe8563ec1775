"""The engine, the sessions and the migrations. One driver, psycopg 3, for every process."""

import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from core.settings import get_settings

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")
MIGRATIONS = Path(__file__).parent.parent / "migrations"
IDLE_SECONDS = 1.0


@functools.cache
def _sessions(url: str) -> sessionmaker[Session]:
    engine = create_engine(
        url,
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
    _ping_when_idle(engine)
    return sessionmaker(engine, expire_on_commit=False)


@functools.cache
def _readers(url: str) -> sessionmaker[Session]:
    engine = _sessions(url).kw["bind"].execution_options(isolation_level="AUTOCOMMIT")
    return sessionmaker(engine, expire_on_commit=False)


def _ping_when_idle(engine: Engine) -> None:
    """A database that was restarted costs one retry, not one request.

    `pool_pre_ping` asks before every use, also of a connection that answered a moment ago.
    """

    @event.listens_for(engine, "checkin")
    def note_use(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - entry.info.get("used_at", math.inf) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            raise DisconnectionError from error


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


@contextmanager
def reading() -> Iterator[Session]:
    """A session for single statements, each its own transaction: no round trips to begin and end.

    What two statements find may differ; whoever needs them to agree takes `transaction`.
    """
    with _readers(get_settings().database_url)() as session:
        yield session


def write_patiently(write: Callable[[Session], T], seconds: float) -> T:
    """Run `write` in a transaction, and again for `seconds` while the database is away.

    `write` must be safe to run twice: a commit whose answer was lost may have happened.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with transaction() as session:
                return write(session)
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
