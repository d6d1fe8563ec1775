"""Starting a step in a process of its own, and hearing how that ends."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from typing import IO

from core import steps

MESSAGE_BYTES = 256  # as many as a message between here and the fork server may have
# Threads of torch that wait for work spin before they sleep. Long spinning takes the cores from
# everybody else, none at all costs a wake-up at every operation. Per step, 2 cores: default 38 ms
# (138 beside another training), never spinning 48 (79), this 35 (122).
# glibc returns freed activations to the kernel and faults them in again at every step, some 6,500
# pages of it: told not to, the paper's CNN takes 55 ms for a hypergradient, not 66.
TUNING = {
    "GOMP_SPINCOUNT": "10000",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the most that glibc accepts
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
}
# NumPy's arithmetic starts its threads on import, and none may be there before a fork.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


class ForkServer:
    """A running `worker.fork_server`.

    Attributes:
        process: it; it imports for seconds before it serves.
        control: our end of the socket between us.
        lifeline: its standard input ends when this is closed, and that ends it.
    """

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The kernel sends SIGIO when this process dies: an import reads nothing for seconds, and
        # there may be no thread beside it that would.
        stdin, self.lifeline = os.pipe()
        fcntl.fcntl(stdin, fcntl.F_SETFL, os.O_ASYNC)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker.fork_server", str(theirs.fileno())],
                stdin=stdin,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**TUNING, **os.environ, **ONE_THREAD},
            )
        fcntl.fcntl(stdin, fcntl.F_SETOWN, self.process.pid)
        os.close(stdin)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        os.close(self.lifeline)


class Launcher:
    """Starts attempts, one at a time, by a fork server.

    It is started by `warm_up` or with the first attempt, and again at the next if it has died.
    """

    def __init__(self) -> None:
        self._server: ForkServer | None = None

    def warm_up(self) -> ForkServer:
        """Have a fork server, which begins to import what attempts need."""
        if self._server is None or self._server.process.poll() is not None:
            self.close()
            self._server = ForkServer()
        return self._server

    def start(self, claim: steps.Claim) -> "Attempt":
        """Run an attempt at a claimed step in a new process."""
        return Attempt(self.warm_up(), claim)

    def close(self) -> None:
        """End the fork server, if there is one."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Attempt:
    """The process of one attempt.

    Attributes:
        pid: its number, and that of its group; None until its fork server has told.
        stderr: what it writes there.
        returncode: how it ended, as `subprocess` tells it (a signal is negative); None until then.
    """

    def __init__(self, server: ForkServer, claim: steps.Claim) -> None:
        self.returncode: int | None = None
        self._server = server.process
        self._control = server.control
        self.pid: int | None = None
        self._released = False
        # Its standard input ends when this process does, which is how it knows.
        stdin, self._lifeline = os.pipe()
        stderr, its_stderr = os.pipe()
        self.stderr: IO[str] = os.fdopen(stderr, encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError):  # a server that has died is noticed below
            request = f"{claim.step_id} {claim.token}".encode()
            socket.send_fds(self._control, [request], [stdin, its_stderr])
        os.close(stdin)
        os.close(its_stderr)

    def wait(self, seconds: float) -> int | None:
        """Its return code once it has ended; None if it has not after so long."""
        if self.returncode is None and select.select([self._control], [], [], seconds)[0]:
            self._hear()
        return self.returncode

    def terminate(self) -> None:
        """Ask it to stop at its next checkpoint."""
        if self.wait(0) is None:
            if self.pid is None:
                self._server.kill()  # it still imports: there is nothing else to stop
            else:
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and everything it started (data loaders, sandboxes), and reap it."""
        if self.wait(0) is None and self.pid is None:
            self._server.kill()
        while self.returncode is None:
            self._kill_group()
            self._hear()
        self._kill_group()
        if not self._released:
            self._released = True
            with contextlib.suppress(OSError):  # a dead server needs no word
                self._control.send(b"released")
                self._control.recv(MESSAGE_BYTES)  # it is reaped

    def close(self) -> None:
        os.close(self._lifeline)
        self.stderr.close()

    def _kill_group(self) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _hear(self) -> None:
        """Wait for the server's next message."""
        try:
            message = self._control.recv(MESSAGE_BYTES)
        except OSError:
            message = b""
        if not message:
            # Nobody tells any more how the attempt ends, and it must not go on unwatched.
            self.returncode = self._server.wait() or -signal.SIGKILL
        elif self.pid is None:
            self.pid = int(message)
        else:
            self.returncode = int(message)
