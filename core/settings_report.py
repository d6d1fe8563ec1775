"""What the settings of this process are and where each came from; secrets are masked."""

import difflib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from core.settings import PREFIX, Settings
from core.settings_files import environment, is_secret

MASK = "********"
# Set by the processes of `unlearnable up` for one another.
NOT_SETTINGS = "UNLEARNABLE_STACK_"


@dataclass(frozen=True)
class Row:
    """One setting. `source` is `default`, `env`, `file <path>` or `missing`."""

    name: str
    variable: str
    value: Any
    source: str
    description: str


@dataclass(frozen=True)
class Report:
    """All settings; with `problems`, no process would start on them.

    `notes` name variables that look like settings but are none.
    """

    rows: list[Row]
    problems: list[str]
    notes: list[str]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, default=str)

    def to_text(self) -> str:
        shown = [(row.variable, _text(row.value), row.source) for row in self.rows]
        widths = [max(len(line[column]) for line in shown) for column in range(2)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in shown]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"refused: {problem}" for problem in self.problems]
        return "\n".join(lines)


def report() -> Report:
    """The settings that the environment describes, valid or not."""
    problems: list[str] = []
    settings: Settings | None = None
    try:
        settings = Settings()
    except ValidationError as error:
        problems = [_problem(*found["loc"], message=found["msg"]) for found in error.errors()]
    except SettingsError as error:
        problems = [str(error)]
    given = environment()
    rows = [_row(name, field, settings, given) for name, field in Settings.model_fields.items()]
    return Report(rows, problems, _notes(given))


def markdown() -> str:
    """The table of `docs/operations.md`."""
    lines = ["| variable | default | what it says |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        variable = f"`{variable_of(name)}`" + (" (or `_FILE`)" if is_secret(field) else "")
        default = "required" if field.is_required() else f"`{_text(_default(field))}`"
        lines.append(f"| {variable} | {default} | {field.description} |")
    return "\n".join(lines)


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _row(name: str, field: FieldInfo, settings: Settings | None, given: dict[str, str]) -> Row:
    variable = variable_of(name)
    value: Any
    if variable in given:
        source, value = "env", given[variable]
    elif is_secret(field) and f"{variable}_FILE" in given:
        source, value = f"file {given[f'{variable}_FILE']}", MASK
    else:
        source = "missing" if field.is_required() else "default"
        value = None if field.is_required() else _default(field)
    if settings is not None:
        value = getattr(settings, name)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if is_secret(field) and value is not None:
        value = _masked(str(value))
    if isinstance(value, Path):
        value = str(value)
    return Row(name, variable, value, source, field.description or "")


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Path):  # the same text on every machine
        return str(value).replace(tempfile.gettempdir(), "/tmp", 1)  # noqa: S108
    return value


def _masked(value: str) -> str:
    """An address without its password; nothing of any other secret, not even its length."""
    parts = urlsplit(value)
    if not parts.scheme or not parts.hostname:
        return MASK
    user = f"{parts.username or ''}:{MASK}@" if parts.password else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{parts.hostname}{port}{parts.path}"


def _problem(*path: object, message: str) -> str:
    variable = "".join(variable_of(str(part)) for part in path[:1])
    message = message.removeprefix("Value error, ")
    return f"{variable}: {message}" if variable else message


def _notes(given: dict[str, str]) -> list[str]:
    known = {variable_of(name) for name in Settings.model_fields}
    known |= {
        f"{variable_of(name)}_FILE"
        for name, field in Settings.model_fields.items()
        if is_secret(field)
    }
    notes = []
    for name in sorted(given):
        if name.startswith(PREFIX) and name not in known and not name.startswith(NOT_SETTINGS):
            near = difflib.get_close_matches(name, known, 1)
            notes.append(f"{name} is no setting" + (f"; {near[0]} is" if near else ""))
    return notes


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)
