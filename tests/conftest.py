"""Real servers for every test that needs them, started once in each process that runs tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from cli.stack.servers import running_servers
from core import database
from core.settings import Settings, get_settings

FAULTS, END_TO_END = "tests/benchmarks/test_faults.py", "tests/end_to_end/"


class Groups(LoadFileScheduling):  # type: ignore[misc]
    """What `make test` runs two of at a time: a file, or all files that share one stack."""

    def _split_scope(self, nodeid: str) -> str:
        return END_TO_END if nodeid.startswith(END_TO_END) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    config.option.loadscopereorder = False  # by the number of tests, which says little here
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of two: what takes minutes begins first
        items.sort(key=lambda item: not item.nodeid.startswith((FAULTS, END_TO_END)))


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
