"""The migrations build the schema of `core.tables`, and can be taken back."""

from collections.abc import Iterator

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect, make_url, text

from core.database import alembic_config, migrate
from core.ids import new_id
from core.settings import get_settings
from core.tables import Base

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def empty_database() -> Iterator[str]:
    url = make_url(get_settings().database_url)
    name = new_id("test")
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


def test_up_check_down_and_up_again(empty_database: str) -> None:
    config = alembic_config(empty_database)
    migrate(empty_database)
    assert tables(empty_database) == {*Base.metadata.tables, "alembic_version"}
    command.check(config)  # raises if the tables and the migrations differ
    command.downgrade(config, "base")
    assert tables(empty_database) == {"alembic_version"}
    migrate(empty_database)
    migrate(empty_database)  # nothing left to do: no harm
    command.check(config)
