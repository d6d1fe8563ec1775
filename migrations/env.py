"""Runs the migrations on the database that `core.database.migrate` names."""

from alembic import context
from sqlalchemy import NullPool, create_engine

from core.tables import Base

LOCK = 7_283_011  # one migrating process at a time
PATIENCE = "10s"


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url
    with create_engine(url, poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK})")
        # A change that waits for a table makes every later request wait behind it.
        connection.exec_driver_sql(f"SET lock_timeout = '{PATIENCE}'")
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK})")


run()
