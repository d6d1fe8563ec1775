"""The migrations build the schema of `core.tables`, and can be taken back."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from alembic import command
from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, make_url, text

from core.database import alembic_config, migrate
from core.ids import new_id
from core.settings import get_settings
from core.tables import Base

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def empty_schema() -> Iterator[str]:
    """As good as a new database: a schema with nothing in it, from which no other is seen."""
    url = make_url(get_settings().database_url)
    name = new_id("test")
    with owner_of(url) as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    here = url.update_query_dict({"options": f"-csearch_path={name}"})
    yield here.render_as_string(hide_password=False)
    with owner_of(url) as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))


def owner_of(url: URL) -> AbstractContextManager[Connection]:
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()


def tables(url: str) -> set[str]:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return set(inspect(connection).get_table_names())


def test_up_check_down_and_up_again(empty_schema: str) -> None:
    config = alembic_config(empty_schema)
    migrate(empty_schema)
    assert tables(empty_schema) == {*Base.metadata.tables, "alembic_version"}
    command.check(config)  # raises if the tables and the migrations differ
    command.downgrade(config, "base")
    assert tables(empty_schema) == {"alembic_version"}
    migrate(empty_schema)
    migrate(empty_schema)  # nothing left to do: no harm
    command.check(config)
