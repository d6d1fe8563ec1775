"""What lies between running servers and the first request: role, schema, bucket, API key.

Runs as a process of its own, in the environment that the API gets, so that whatever does not work
for the API fails here first, by name.

    python -m cli.stack.prepare API_KEY_FILE        (superuser's address in PREPARE_SUPERUSER_URL)
"""

import os
import sys
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from cli.stack.environment import SUPERUSER_URL
from cli.stack.folder import write_private
from core import api_keys
from core.database import migrate, transaction
from core.object_store import ObjectStore
from core.settings import Settings, get_settings

TENANT, KEY_NAME = "local", "up"


def prepare(settings: Settings, superuser_url: str, key_file: Path) -> None:
    """Create what is missing, and bring the schema up to date."""
    create_database(superuser_url, settings.database_url)
    migrate(settings.database_url)
    ObjectStore.from_settings(settings).ensure_bucket()
    ensure_key(key_file)


def create_database(superuser_url: str, application_url: str) -> None:
    """Create the application's role, which is no superuser, and the database that it owns."""
    url = make_url(application_url)
    assert url.username
    assert url.database
    engine = create_engine(superuser_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        quote = engine.dialect.identifier_preparer.quote
        role, database = quote(url.username), quote(url.database)
        known = text("SELECT 1 FROM pg_roles WHERE rolname = :name")
        if connection.scalar(known, {"name": url.username}) is None:
            connection.execute(text(f"CREATE ROLE {role} LOGIN"))
        # Set at each start: the secret in the data folder is the one that counts.
        connection.execute(
            text("SELECT set_config('unlearnable.password', :password, false)"),
            {"password": url.password},
        )
        connection.execute(
            text(
                "DO $$ BEGIN EXECUTE format("
                f"'ALTER ROLE {role} PASSWORD %L', current_setting('unlearnable.password')"
                "); END $$"
            )
        )
        known = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if connection.scalar(known, {"name": url.database}) is None:
            connection.execute(text(f"CREATE DATABASE {database} OWNER {role}"))
    engine.dispose()


def ensure_key(key_file: Path) -> None:
    """Keep the API key of the run before if the database knows it; else make one."""
    with transaction() as session:
        if key_file.exists() and api_keys.find(session, key_file.read_text()) is not None:
            return
        key = api_keys.create(session, TENANT, KEY_NAME)
    write_private(key_file, key)


if __name__ == "__main__":
    prepare(get_settings(), os.environ.pop(SUPERUSER_URL), Path(sys.argv[1]))
