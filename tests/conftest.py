"""Real servers for every test that needs them, started once."""

from collections.abc import Iterator

import pytest

from cli.stack.servers import running_servers
from core import database
from core.settings import Settings, get_settings


@pytest.fixture(scope="session")
def servers() -> Iterator[Settings]:
    """PostgreSQL, Valkey and SeaweedFS, named by the environment."""
    with (
        running_servers() as environment,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        yield get_settings()
        database.get_engine().dispose()
    get_settings.cache_clear()
