"""The engine, the sessions and the migrations. One driver, psycopg 3, for every process."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from core.settings import get_settings

MIGRATIONS = Path(__file__).parent.parent / "migrations"


@functools.cache
def _sessions(url: str) -> sessionmaker[Session]:
    engine = create_engine(
        url,
        pool_pre_ping=True,  # a database that was restarted costs one retry, not one request
        pool_size=10,
        max_overflow=30,
        hide_parameters=True,  # errors end in logs, where names and digests of keys must not be
        connect_args={"connect_timeout": 5},
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


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema of the database at `url` up to `revision`."""
    command.upgrade(alembic_config(url), revision)
