"""The released OpenAPI document, `docs/openapi.json`, and what holds the API to it.

    python -m service.released            what would break a script that was written for it, and
                                          whether it is the document of the code as it is
    python -m service.released --write    release the API as it is now

A later release within /v1 must do everything that the last one did: the second command refuses as
well. Whoever has to break it begins /v2.
"""

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from core.settings import Settings
from service.app import create_app
from service.kit.compatibility import breaks

PATH = Path(__file__).parent.parent / "docs" / "openapi.json"


def current() -> dict[str, Any]:
    """The document of the code as it is; no server is asked for it."""
    # What is in a document must not depend on where it is made.
    settings = Settings.model_construct(
        database_url="postgresql+psycopg://",
        broker_url=SecretStr("redis://localhost"),
        secret_key=SecretStr(""),
    )
    return create_app(settings).openapi()


def released() -> dict[str, Any]:
    """The document that clients have."""
    document: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return document


def _light(document: dict[str, Any]) -> dict[str, Any]:
    """Without the examples of errors, which are most of it, and no promise; codes stay."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status.startswith(("4", "5")):
                    for media in answer["content"].values():
                        media.pop("examples", None)
    return document


def stale_lines() -> list[str]:
    """Where the released document is not that of the code as it is, as `diff` tells it."""
    old, new = PATH.read_text(encoding="utf-8"), _text()
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))


def _text() -> str:
    text = json.dumps(_light(current()), indent=1, ensure_ascii=False, sort_keys=True)
    return f"{text}\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m service.released", description="Hold the API to its released document."
    )
    parser.add_argument("--write", action="store_true", help="release the API as it is now")
    write: bool = parser.parse_args().write
    found = breaks(released(), current()) if PATH.exists() else []
    for sentence in found:
        sys.stderr.write(f"{sentence}\n")
    if found:
        sys.stderr.write(f"{len(found)} broken promise(s) of {PATH.name}; /v1 only grows.\n")
        return 1
    if write:
        PATH.write_text(_text(), encoding="utf-8")
    elif lines := stale_lines():
        sys.stderr.write("\n".join([*lines, f"{PATH.name} is stale: run `make openapi`.\n"]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
