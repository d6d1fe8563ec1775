"""Starting a step in a process of its own, and hearing how that ends."""

import contextlib
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


class Launcher:
    """Starts attempts, one at a time, by a fork server that comes with the first of them.

    A fork server that has died is replaced at the next start.
    """

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self, claim: steps.Claim) -> "Attempt":
        """Run an attempt at a claimed step in a new process."""
        if self._server is None or self._control is None or self._server.poll() is not None:
            self.close()
            self._server, self._control = _start_server()
        return Attempt(self._server, self._control, claim)

    def close(self) -> None:
        """End the fork server, if there is one."""
        if self._control is not None:
            self._control.close()
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._server = self._control = None


def _start_server() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "worker.fork_server", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={**TUNING, **os.environ, **ONE_THREAD},
        )
    return server, ours


class Attempt:
    """The process of one attempt.

    Attributes:
        pid: its number, and that of its group; None until its fork server has told.
        stderr: what it writes there.
        returncode: how it ended, as `subprocess` tells it (a signal is negative); None until then.
    """

    def __init__(
        self, server: subprocess.Popen[bytes], control: socket.socket, claim: steps.Claim
    ) -> None:
        self.returncode: int | None = None
        self._server = server
        self._control = control
        self.pid: int | None = None
        self._released = False
        # Its standard input ends when this process does, which is how it knows.
        stdin, self._lifeline = os.pipe()
        stderr, its_stderr = os.pipe()
        self.stderr: IO[str] = os.fdopen(stderr, encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError):  # a server that has died is noticed below
            request = f"{claim.step_id} {claim.token}".encode()
            socket.send_fds(control, [request], [stdin, its_stderr])
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
