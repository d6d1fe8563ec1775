"""Bringing two transactions into each other's way, in an order that a test chooses."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from core.database import get_engine, reading

_WAITS = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND :pid = ANY(pg_blocking_pids(pid))"
)


def wait_until_blocking(session: Session) -> None:
    """Return once another connection waits for something that this session has locked."""
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    deadline = time.monotonic() + 60
    with reading() as observer:
        while not observer.scalar(_WAITS, {"pid": pid}):
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.02)


@contextmanager
def right_after(words: str, value: str, do: Callable[[], None]) -> Iterator[None]:
    """Once, when a statement with these words and this value has been run, call `do`.

    Its transaction goes on only then.
    """
    done = False

    def look(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        nonlocal done
        if not done and words in statement and value in str(parameters):
            done = True
            do()

    event.listen(get_engine(), "after_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(get_engine(), "after_cursor_execute", look)
    assert done, f"no statement with {words}"
