"""The user that PostgreSQL runs as when we are root: its server refuses to run as root.

Nobody's folder permissions are changed for that user. What it cannot reach (a checkout or a home
that only root may enter) is put where it can: under `/var/lib/unlearnable`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cli.stack.errors import StackError

NAME = "pgserver"  # the name that the wheel uses for the same purpose
PUBLIC_ROOTS = (Path("/var/lib/unlearnable"), Path(tempfile.gettempdir()) / "unlearnable-root")


@dataclass(frozen=True)
class Account:
    """A system user without rights of its own."""

    name: str
    user: int
    group: int

    def reaches(self, path: Path, flag: str = "x") -> bool:
        """Whether this user may enter a folder or run a program (`x`), or read a file (`r`)."""
        probe = subprocess.run(
            ["/bin/sh", "-c", f'test -{flag} "$0"', path],
            user=self.user,
            group=self.group,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        return probe.returncode == 0

    def own(self, path: Path) -> None:
        """Hand a file or folder over to this user."""
        os.chown(path, self.user, self.group)


def account() -> Account | None:
    """The user for PostgreSQL; None if we are an ordinary user and run it ourselves.

    Raises:
        StackError: we are root but may not create or become that user.
    """
    if os.geteuid() != 0:
        return None
    entry = _entry(NAME) or _create() or _entry("nobody")
    if entry is None:
        raise StackError("PostgreSQL refuses to run as root, and there is no other user to run it.")
    found = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    try:
        found.reaches(Path("/"))
    except OSError as error:
        raise StackError(
            f"PostgreSQL refuses to run as root, and this root may not become {found.name} "
            f"({error.strerror}). Run as an ordinary user."
        ) from error
    return found


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd")
    if useradd is None:
        return None
    shell = shutil.which("nologin") or "/bin/false"
    # Two stacks may try at once: what counts is that the user is there afterwards.
    subprocess.run(
        [useradd, "--system", "--no-create-home", "--shell", shell, NAME],
        check=False,
        capture_output=True,
    )
    return _entry(NAME)


def public_root() -> Path:
    """A folder that every user can enter and only root can write to.

    Raises:
        StackError: there is none.
    """
    for path in PUBLIC_ROOTS:
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            status = path.lstat()
        except OSError:
            continue
        # In a shared /tmp the name may have been taken by somebody else, or be a link.
        if path.is_dir() and not path.is_symlink() and status.st_uid == 0:
            path.chmod(0o755)
            return path
    raise StackError(
        f"PostgreSQL runs as {NAME} when we are root, and found no place that it can reach. "
        "Run as an ordinary user, or give --data a folder that every user can enter."
    )
