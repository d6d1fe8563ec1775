"""The process that steps are forked from: it imports what they need once, and then only forks.

    python -m worker.fork_server DESCRIPTOR

Importing torch and the steps takes seconds, more than most steps of a small job. A fork of this
process has them at once and is otherwise what a fresh process is: it can be killed, its death has a
cause, and what it took of a GPU is returned when it ends. That holds because this process has one
thread and never computes: it knows neither a pool of threads nor a GPU that a fork would inherit.

The supervisor, at the other end of the socket, sends `STEP_ID LEASE_TOKEN` with the standard input
and error of the attempt. It is told the attempt's process id and then its exit status, and answers
once it has killed what the attempt left: until then its number is not given to others. It is told
when nothing is left. SIGIO ends this process once the supervisor is gone, also while it imports.
"""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from typing import NoReturn

from core import logs
from core.settings import get_settings
from worker import attempt, flow
from worker.launcher import MESSAGE_BYTES

log = logging.getLogger(__name__)


def _run(step_id: str, token: int, stdin: int, stderr: int) -> NoReturn:
    """Be the attempt."""
    try:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.dup2(stdin, 0)
        os.dup2(stderr, 2)
        attempt.main(step_id, token)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _fork(control: socket.socket, step_id: str, token: int, stdin: int, stderr: int) -> int:
    """Start an attempt; returns its process id."""
    pid = os.fork()
    if pid == 0:
        control.close()
        _run(step_id, token, stdin, stderr)
    # Here as well as there: whoever is told the number may kill the group at once.
    os.setpgid(pid, pid)
    os.close(stdin)
    os.close(stderr)
    return pid


def serve(control: socket.socket) -> None:
    """Fork an attempt at every request, one after the other, until the supervisor is gone."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 2)
        if not message:
            return
        step_id, token = message.decode().split()
        pid = _fork(control, step_id, int(token), *descriptors)
        control.send(b"%d" % pid)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        killed = ended.si_code != os.CLD_EXITED
        control.send(b"%d" % (-ended.si_status if killed else ended.si_status))
        control.recv(MESSAGE_BYTES)
        os.waitpid(pid, 0)
        control.send(b"reaped")


def main() -> None:
    # Who stops a service may signal all its processes: this one ends with its supervisor. Blocked,
    # not ignored, so that an attempt that is asked to stop as it begins hears of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    control = socket.socket(fileno=int(sys.argv[1]))
    logs.configure("step", get_settings())
    for kind in flow.KINDS - {flow.INGEST}:
        attempt.step_function(kind)
    import torch  # not above: SIGTERM is blocked during the seconds that this takes
    import torch._dynamo  # which an optimizer imports at its first use, and so would every training

    if threading.active_count() > 1 or torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        raise RuntimeError("an import has started a thread, or the GPU: no fork would have it")
    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, every page
    log.info("all is imported: steps begin at once from now on")
    try:
        serve(control)
    except (BrokenPipeError, ConnectionResetError):
        return  # the supervisor died; its attempt has noticed and ended


if __name__ == "__main__":
    main()
