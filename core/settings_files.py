"""Secrets from files, as Docker and Kubernetes hand them out: `<VARIABLE>_FILE` names the file."""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is never shown, and may come from a file."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and extra.get("secret") is True


def environment() -> dict[str, str]:
    """The variables that are set to something, by their name in capitals."""
    return {name.upper(): value for name, value in os.environ.items() if value}


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads each secret from the file that `<prefix><NAME>_FILE` names, without its last newline.

    Raises:
        SettingsError: the file cannot be read or is empty, or the variable itself is set as well.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._environment = environment()
        self._prefix = self.config["env_prefix"].upper()

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = self._prefix + field_name.upper()
        path = self._environment.get(f"{variable}_FILE")
        if path is None or not is_secret(field):
            return None, field_name, False
        if variable in self._environment:
            raise SettingsError(f"{variable} and {variable}_FILE are both set; keep one of them")
        try:
            content = Path(path).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise SettingsError(f"{variable}_FILE: cannot read {path}: {reason}") from None
        if not content:
            raise SettingsError(f"{variable}_FILE: {path} is empty")
        return content, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                values[key] = value
        return values
