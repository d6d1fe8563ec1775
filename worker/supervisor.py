"""Claiming steps and seeing each one to its end, whatever becomes of the process that runs it.

Steps of jobs run in a process of their own: it can be cancelled at once, it returns its GPU memory
by ending, and its death is noticed and explained. Ingestion runs in the supervising
process, because it reads uploads in a sandbox of its own (`worker.layouts.sandbox`).
"""

import collections
import contextlib
import contextvars
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import IO, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import lifecycle, logs, steps
from core.database import transaction, write_patiently
from core.doorbell import ring
from core.object_store import ObjectStore, job_prefix
from core.settings import get_settings
from core.tables import Job
from worker import flow
from worker.attempt import run
from worker.context import scratch_of
from worker.faults import DATABASE_AWAY, STORE_AWAY, explain_death, oom_kills
from worker.launcher import Attempt, Launcher
from worker.lease import Lease
from worker.waiting import release_waiting_steps

POLL_SECONDS = 0.25
CANCEL_GRACE_SECONDS = 1.0  # a step reports twice a second and stops by itself when cancelled
DRAIN_GRACE_SECONDS = 25.0
LOG_TAIL_LINES = 30
T = TypeVar("T")
CANCELLED = frozenset({lifecycle.CANCELLING, lifecycle.CANCELLED})

log = logging.getLogger(__name__)


def work_off(pool: str, launcher: Launcher, draining: Callable[[], bool]) -> None:
    """Run the steps of `pool` one after another until none waits."""
    owner = f"{socket.gethostname()}:{os.getpid()}"
    lease_seconds = get_settings().lease_seconds
    while not draining():
        try:
            with transaction() as session:
                claim = steps.claim(session, pool, owner, lease_seconds, kinds=flow.KINDS)
        except DATABASE_AWAY as error:
            log.warning("nothing claimed: %s", type(error).__name__)
            return  # the sweeper rings again
        if claim is None:
            return
        logs.add(**claim.log_fields)
        log.info("%s: %s begins (attempt %s)", claim.step_id, claim.kind, claim.token)
        try:
            begun = _patiently(partial(flow.begin, claim=claim))
        except steps.LeaseLost:
            begun = False
        if not begun:
            continue
        with Lease(claim) as lease:
            if claim.kind == flow.INGEST:
                run(claim)
            else:
                _supervise(claim, lease, launcher, draining)
        if claim.kind in {flow.BASELINE, flow.EVALUATE}:
            with contextlib.suppress(*DATABASE_AWAY):  # else the sweeper does it
                release_waiting_steps()
        ring(pool)  # a step that ended may have made way for others, here or elsewhere


def _patiently(write: Callable[[Session], T]) -> T:
    """Write although the database may be away; beyond a lease the sweeper would act first."""
    return write_patiently(write, get_settings().lease_seconds)


def _supervise(
    claim: steps.Claim, lease: Lease, launcher: Launcher, draining: Callable[[], bool]
) -> None:
    """Run one step in a process of its own and write down how it ended."""
    process = launcher.start(claim)
    tail: collections.deque[str] = collections.deque(maxlen=LOG_TAIL_LINES)
    reader = threading.Thread(
        target=contextvars.copy_context().run, args=(_pass_on, process.stderr, tail), daemon=True
    )
    reader.start()
    drained = False
    killed_before = oom_kills()
    try:
        drained = _watch(process, claim, lease, draining)
    finally:
        process.kill()
        shutil.rmtree(scratch_of(claim), ignore_errors=True)
        reader.join(timeout=5)
        process.close()
    if _status_of_job(claim) in CANCELLED:
        _end_cancelled(claim)
    elif process.returncode != 0 and not lease.lost.is_set():
        if drained:
            # It had no time to give its step back by itself; that is nobody's fault.
            with contextlib.suppress(steps.LeaseLost):
                _patiently(partial(flow.give_back, claim=claim))
        else:
            oom_killed = oom_kills() > killed_before
            assert process.returncode is not None
            _explain(claim, process.returncode, list(tail), oom_killed=oom_killed)


def _watch(
    process: Attempt,
    claim: steps.Claim,
    lease: Lease,
    draining: Callable[[], bool],
) -> bool:
    """Wait for the process to end; leave it when its job is cancelled or its lease is lost.

    Returns:
        True if it was asked to stop, because this worker shuts down or its job is paused.
    """
    deadline = float("inf")
    drained = False
    while process.wait(0) is None:
        now = time.monotonic()
        if lease.lost.is_set() or now > deadline:
            break
        status = _status_of_job(claim)
        if status in CANCELLED:
            deadline = min(deadline, now + CANCEL_GRACE_SECONDS)
        if not drained and (status == lifecycle.PAUSING or draining()):
            drained = True
            process.terminate()
            deadline = min(deadline, now + DRAIN_GRACE_SECONDS)
        process.wait(POLL_SECONDS)
    return drained


def _pass_on(stream: IO[str], tail: collections.deque[str]) -> None:
    for line in stream:
        tail.append(line.rstrip("\n"))
        logs.pass_on(line)


def _status_of_job(claim: steps.Claim) -> str | None:
    try:
        with transaction() as session:
            return session.scalar(select(Job.status).where(Job.id == claim.job_id))
    except DATABASE_AWAY:
        return None  # no reason to stop a sound step; it is asked again


def _end_cancelled(claim: steps.Claim) -> None:
    job_id = claim.job_id
    assert job_id is not None

    def end(session: Session) -> bool:
        lifecycle.lock_job(session, job_id)
        with contextlib.suppress(steps.LeaseLost):
            steps.drop(session, claim)
        return flow.end_cancelled(session, job_id)

    if _patiently(end):
        store = ObjectStore.from_settings(get_settings())
        # If the store is away, the sweeper deletes.
        with contextlib.suppress(*STORE_AWAY):
            store.delete_prefix(job_prefix(claim.tenant_id, job_id))


def _explain(claim: steps.Claim, returncode: int, tail: list[str], *, oom_killed: bool) -> None:
    """The process died without a word of its own."""
    problem = explain_death(returncode, oom_killed=oom_killed)
    log.warning("%s: %s: %s\n%s", claim.step_id, problem.code, problem.message, "\n".join(tail))
    max_lost = get_settings().max_lost
    with contextlib.suppress(steps.LeaseLost):
        _patiently(partial(flow.lose, claim=claim, problem=problem, max_lost=max_lost))
