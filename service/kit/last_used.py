"""When keys were last used, written down beside the requests: none waits for it."""

import logging
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from core import api_keys
from core.database import transaction

log = logging.getLogger(__name__)


class LastUsed:
    """Notes uses of keys, one after the other, each key at most once a minute."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="last-used")
        self._pending: set[str] = set()

    def note(self, key_id: str) -> None:
        """A key was used just now."""
        # A database that is slow shall not collect a queue of what it will be told anyway.
        if key_id not in self._pending:
            self._pending.add(key_id)
            self._writer.submit(self._write, key_id)

    def _write(self, key_id: str) -> None:
        try:
            with transaction() as session:
                api_keys.note_use(session, key_id)
        except SQLAlchemyError as error:
            log.warning("the use of a key was not noted: %s", type(error).__name__)
        finally:
            self._pending.discard(key_id)
