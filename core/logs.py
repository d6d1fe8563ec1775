"""One form for every log line of every process: a JSON object, or text on a terminal.

    {"time": "...", "level": "info", "logger": "worker.attempt", "message": "train done",
     "role": "compute", "pid": 17, "step_id": "step_...", "attempt": 1, "tenant": "ten_..."}

Logs are read by people who may not see an owner's data. So a message holds ids and counts, and of
an exception only its type, its code and the places that it went through are written: the text of
an exception can name a file, a class or a row. Secrets of the settings and API keys are struck out
wherever they may turn up.
"""

import contextlib
import errno
import json
import logging
import os
import re
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from core.settings import Settings
from core.settings_files import is_secret

OURS = ("core", "service", "worker", "cli", "engine", "__main__")
# Lines of libraries that say what our own lines say better, or say it every few seconds.
QUIET = ("celery.worker.strategy", "celery.app.trace", "celery.apps.worker")
TALKATIVE = ("celery", "uvicorn")  # when they start, connect and stop
STRUCK_OUT = "[secret]"
_KEYS = (
    r"ul_[A-Za-z0-9_-]{20,}|whsec_[A-Za-z0-9+/=]{20,}"
    r"|(?<=X-Amz-Signature=)[0-9a-f]+|(?<=Bearer )\S+"
)

_fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextlib.contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Name `fields` in every line that is written within the block, also from its threads' pool."""
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def add(**fields: Any) -> None:
    """Name `fields` in every further line of the innermost block of `bound`; None is left out."""
    inside = _fields.get()
    if inside is None:
        _fields.set(inside := {})
    inside.update(fields)


def told(error: BaseException | None) -> list[dict[str, Any]]:
    """An exception and its causes, outermost first, without a word of their text."""
    found: list[dict[str, Any]] = []
    while error is not None and len(found) < 5:
        entry: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
        code = _code(error)
        if code is not None:
            entry["code"] = code
        entry["places"] = _places(error.__traceback__)
        found.append(entry)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _code(error: BaseException) -> str | None:
    """What an exception says in the words of a standard, which hold no data."""
    if isinstance(error, OSError) and error.errno is not None:
        return errno.errorcode.get(error.errno, str(error.errno))
    problem = getattr(error, "problem", None)
    response = getattr(error, "response", None)
    candidates = (
        getattr(error, "sqlstate", None),  # psycopg
        getattr(getattr(error, "orig", None), "sqlstate", None),  # SQLAlchemy around it
        response.get("Error", {}).get("Code") if isinstance(response, dict) else None,  # boto3
        getattr(problem or error, "code", None),  # our own
    )
    for candidate in candidates:
        if isinstance(candidate, str) and re.fullmatch(r"\w{1,60}", candidate):
            return candidate
    return None


def _places(trace: TracebackType | None) -> list[str]:
    return [
        f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(trace)
    ]


class _Formatter(logging.Formatter, ABC):
    """What both forms share."""

    def __init__(self, role: str, strike_out: Callable[[str], str]) -> None:
        super().__init__()
        self._role = role
        self._strike_out = strike_out

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "role": self._role,
            "pid": record.process,
            **{name: value for name, value in (_fields.get() or {}).items() if value is not None},
            **getattr(record, "fields", {}),
        }
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            entry["error"] = told(error)
        return self._strike_out(self._write(entry))

    @abstractmethod
    def _write(self, entry: dict[str, Any]) -> str:
        """The line of an entry."""


class JsonFormatter(_Formatter):
    def _write(self, entry: dict[str, Any]) -> str:
        return json.dumps(entry, default=str)


class TextFormatter(_Formatter):
    def _write(self, entry: dict[str, Any]) -> str:
        time, level = entry.pop("time")[11:19], entry.pop("level")
        logger, message = entry.pop("logger"), entry.pop("message")
        errors = entry.pop("error", [])
        del entry["role"], entry["pid"]
        fields = "".join(f" {name}={value}" for name, value in entry.items())
        lines = [f"{time} {level:<7} {logger}: {message}{fields}"]
        for error in errors:
            lines.append(f"    {error['type']} {error.get('code', '')}".rstrip())
            lines += [f"        {place}" for place in error["places"]]
        return "\n".join(lines)


def _message(record: logging.LogRecord) -> str:
    """The line itself; of a library that reports an exception, the words without what it filled in.

    Celery and asyncio put the text of the exception into their message.
    """
    if record.exc_info and record.name.partition(".")[0] not in OURS:
        return (str(record.msg).strip().splitlines() or [""])[0]
    return record.getMessage()


def _strike_out(settings: Settings) -> Callable[[str], str]:
    """A function that takes the secrets of these settings, and any API key, out of a line."""
    secrets = {_secret_in(getattr(settings, name)) for name in _secret_names()} - {None}
    words = sorted((re.escape(secret) for secret in secrets if secret), key=len, reverse=True)
    pattern = re.compile("|".join([*words, _KEYS]))
    return lambda line: pattern.sub(STRUCK_OUT, line)


def _secret_names() -> list[str]:
    names = [name for name, field in Settings.model_fields.items() if is_secret(field)]
    return [name for name in names if name != "s3_access_key_id"]  # a name, often a common word


def _secret_in(value: object) -> str | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
    parts = urlsplit(text)
    secret = parts.password if parts.scheme and parts.hostname else text
    return secret if secret and len(secret) >= 8 else None  # less is only allowed on loopback


def configure(role: str, settings: Settings) -> None:
    """Give this process its one handler, on standard error, and take all others away.

    Args:
        role: what this process is: `api`, `compute`, `ingest`, `sweeper`, ...
    """
    handler = logging.StreamHandler(sys.stderr)
    as_text = settings.log_format == "text" or (
        settings.log_format == "auto" and sys.stderr.isatty()
    )
    # Also for our children, whose standard error is a pipe.
    os.environ["UNLEARNABLE_LOG_FORMAT"] = "text" if as_text else "json"
    form = TextFormatter if as_text else JsonFormatter
    handler.setFormatter(form(role, _strike_out(settings)))
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(settings.log_level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda found: _log_uncaught(
        found.exc_type, found.exc_value, found.exc_traceback
    )


def pass_on(line: str) -> None:
    """Write a line of a child's standard error: as it is if it has our form, else inside one."""
    form = logging.root.handlers[0].formatter if logging.root.handlers else None
    if not isinstance(form, JsonFormatter) or line.startswith('{"time": "'):
        sys.stderr.write(line)
    elif line.strip():
        logging.getLogger("worker.child").warning("%s", line.rstrip())


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    assert error is not None
    logging.getLogger(__name__).critical(
        "this process or thread ends by an exception", exc_info=(kind, error, trace)
    )
