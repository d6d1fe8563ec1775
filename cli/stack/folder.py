"""The data folder: everything that a stack writes, in one place that survives a restart.

.unlearnable/
    folder.json     marks the folder as ours
    secrets/        one file a secret, readable by its owner only
    ports.json      ports of the last start, taken again while they are free
    stack.json      where everything is, while a stack runs (with the API key: owner only)
    up.lock  guardian.lock
    logs/  postgres/  valkey/  seaweedfs/  scratch/
"""

import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cli.stack.errors import StackError

FORMAT = 1
TOKEN_BYTES = 32


def write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file that only its owner can read."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None if the file is missing or was torn by a crash."""
    try:
        content = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


class DataFolder:
    """Paths and secrets of one stack.

    Raises:
        StackError: the folder holds something else, or belongs to another user.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self._mark()
        for folder in (self.logs, self.secrets, self.scratch):
            folder.mkdir(mode=0o700, exist_ok=True)

    def _mark(self) -> None:
        marker = self.root / "folder.json"
        if self.root.exists():
            if not self.root.is_dir():
                raise StackError(f"{self.root} is a file; give --data a folder.")
            if self.root.stat().st_uid != os.geteuid():
                raise StackError(
                    f"{self.root} belongs to another user (uid {self.root.stat().st_uid}). "
                    "Run as that user, or give --data another folder."
                )
            if not marker.exists() and any(self.root.iterdir()):
                raise StackError(
                    f"{self.root} is not empty and was not made by `unlearnable up`. "
                    "Give --data a new or an empty folder."
                )
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # As root, PostgreSQL runs as another user, who must pass through here (not look around).
        self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        content = read_json(marker)
        if content is None:
            content = {"format": FORMAT, "id": secrets.token_hex(8)}
            write_private(marker, json.dumps(content) + "\n")
        if content.get("format") != FORMAT:
            raise StackError(f"{self.root} was written by another version of unlearnable.")
        self.id: str = content["id"]

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    def empty_scratch(self) -> None:
        """Remove the working files of steps that a killed run left. No worker may run."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(mode=0o700, exist_ok=True)

    @property
    def scratch(self) -> Path:
        return self.root / "scratch"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def stack(self) -> Path:
        return self.root / "stack.json"

    @property
    def api_key(self) -> Path:
        return self.secrets / "api-key"

    def secret(self, name: str) -> str:
        """The secret of that name, made on first use: 256 random bits, safe in URLs."""
        path = self.secrets / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(TOKEN_BYTES))
        return path.read_text()
