"""The three servers without what stands on them."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from sqlalchemy import make_url

from cli.stack.account import public_root
from cli.stack.errors import AlreadyRunning
from cli.stack.folder import DataFolder
from cli.stack.servers import running_servers
from core.object_store import ObjectStore
from core.settings import Settings


def connect(settings: Settings, password: str | None = None) -> "psycopg.Connection[tuple[int]]":
    url = make_url(settings.database_url)
    return psycopg.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=password or url.password,
        dbname=url.database,
    )


def settings_of(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_servers_ask_for_passwords_and_keep_their_data(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_servers(data) as environment:
        settings = settings_of(monkeypatch, environment)
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(settings, password="wrong")
        with connect(settings) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
            superuser = connection.execute(
                "SELECT rolsuper::int FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert superuser == (0,)
        with Redis.from_url(settings.broker_url.get_secret_value()) as broker:
            broker.set("kept", "7")
            assert broker.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        ObjectStore.from_settings(settings).put_bytes("tenants/t/kept", b"7")
        with pytest.raises(AlreadyRunning, match="already"), running_servers(data):
            pass

    # Torn off in the middle, with a number in the note that is by now somebody else's: ours.
    (data / "postgres" / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    with running_servers(data) as environment:
        settings = settings_of(monkeypatch, environment)
        with connect(settings) as connection:
            assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
        with Redis.from_url(settings.broker_url.get_secret_value()) as broker:
            assert broker.get("kept") == b"7"
        assert ObjectStore.from_settings(settings).get_bytes("tenants/t/kept") == b"7"


def test_a_folder_below_one_that_only_we_may_enter(
    tmp_path: Path, relocated: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "private").mkdir(mode=0o700)
    deep = tmp_path / "private" / ("d" * 120) / ("e" * 120)  # too long for a unix socket
    with running_servers(deep) as environment:
        settings = settings_of(monkeypatch, environment)
        with connect(settings) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    home = deep / "postgres"
    if os.geteuid() == 0:  # PostgreSQL runs as somebody who may not enter
        assert not home.exists()
        home = public_root() / DataFolder(deep).id
        relocated(home)
    assert (home / "data" / "PG_VERSION").read_text().strip() == "18"
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o700
