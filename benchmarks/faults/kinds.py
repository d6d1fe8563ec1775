"""The faults. Each starts its round's job, waits for a random moment, and does its harm.

What is killed is started again after a moment, as a container's restart policy or systemd would.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.faults import disk, state
from benchmarks.faults.parts import API, INGEST, POSTGRES, STORE, SWEEPER, VALKEY, WORKERS
from benchmarks.faults.trial import Trial
from core.database import transaction
from core.doorbell import LOOK, celery_app, ring
from core.pools import COMPUTE
from core.settings import get_settings

Fault = Callable[[Trial], None]

DOWN_SECONDS = (0.0, 3.0)  # of a process or server that is started again
CANCEL_SECONDS = 2.0


# -- processes that are killed -------------------------------------------------------------------


def kill_training(trial: Trial) -> None:
    """kill -9 of the process that trains."""
    trial.submit()
    attempt = trial.attempt("train")
    trial.pause(0.0, 0.3 * trial.usual_seconds)
    trial.hurt()
    _kill_or_reach(trial, attempt.pid)


def kill_attempt(trial: Trial) -> None:
    """kill -9 of the process of any step, the next one if none runs at the moment."""
    trial.submit_and_wait()
    attempt = trial.attempt()
    trial.hurt()
    _kill_or_reach(trial, attempt.pid)


def _kill_or_reach(trial: Trial, pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        trial.notes["missed"] = True


def kill_worker(trial: Trial) -> None:
    """kill -9 of the Celery worker whose step runs."""
    trial.submit_and_wait()
    name = trial.parts.worker_of(trial.attempt())
    trial.hurt()
    trial.parts.kill(name)
    trial.pause(*DOWN_SECONDS)
    trial.parts.start(name)


def kill_supervisor(trial: Trial) -> None:
    """kill -9 of the pool's process that watches over a step; its worker forks another."""
    trial.submit_and_wait()
    supervisor = trial.parts.supervisor(trial.attempt())
    trial.hurt()
    _kill_or_reach(trial, supervisor.pid)


def kill_fork_server(trial: Trial) -> None:
    """kill -9 of the process that a running step was forked from."""
    trial.submit_and_wait()
    server = trial.parts.fork_server(trial.attempt())
    trial.hurt()
    _kill_or_reach(trial, server.pid)


def kill_api(trial: Trial) -> None:
    """kill -9 of the API while its owner polls."""
    trial.submit_and_wait()
    _kill_and_start(trial, API)


def kill_api_at_submission(trial: Trial) -> None:
    """kill -9 of the API while it takes a job: the owner does not know whether it did."""
    asking = threading.Thread(
        target=trial.owner.try_to_submit, args=(trial.dataset, trial.mark), name="asking"
    )
    asking.start()
    trial.pause(0.0, 0.06)
    _kill_and_start(trial, API)
    asking.join()
    trial.submit()


def kill_api_at_upload(trial: Trial) -> None:
    """kill -9 of the API when an upload lies in the store and is not yet written down."""
    name = f"upload-{trial.mark}"
    sending = threading.Thread(target=trial.owner.try_to_upload, args=(name,), name="sending")
    with transaction() as session:
        # The API can store the file, and cannot say so before this transaction ends.
        session.connection().exec_driver_sql("LOCK TABLE datasets IN EXCLUSIVE MODE")
        sending.start()
        trial.pause(0.0, 1.0)
        trial.parts.kill(API)
    sending.join()
    trial.pause(*DOWN_SECONDS)
    trial.parts.start(API)
    trial.dataset = trial.owner.upload(name)
    trial.submit()


def kill_ingest(trial: Trial) -> None:
    """kill -9 of the worker that reads an upload."""
    name = f"upload-{trial.mark}"
    sending = threading.Thread(target=trial.owner.try_to_upload, args=(name,), name="sending")
    sending.start()
    trial.pause(0.0, 0.6)
    _kill_and_start(trial, INGEST)
    trial.dataset = trial.owner.upload(name)
    sending.join()
    trial.submit()


def kill_sweeper(trial: Trial) -> None:
    """kill -9 of the sweeper while bells are lost that only it would ring again."""
    trial.submit_and_wait()
    trial.parts.kill(SWEEPER)
    _forget_bells()
    trial.pause(*DOWN_SECONDS)
    trial.parts.start(SWEEPER)


def drain_worker(trial: Trial) -> None:
    """SIGTERM to the worker whose step runs: checkpoint, lease back, end within 30 s."""
    trial.submit_and_wait()
    name = trial.parts.worker_of(trial.attempt())
    trial.hurt()
    trial.notes["drain_seconds"] = round(trial.parts.stop(name), 2)
    trial.parts.start(name)


def _kill_and_start(trial: Trial, name: str) -> None:
    trial.parts.kill(name)
    trial.pause(*DOWN_SECONDS)
    trial.parts.start(name)


# -- servers that go away ------------------------------------------------------------------------


def restart_valkey(trial: Trial) -> None:
    """The broker is stopped, or killed, and comes back."""
    _restart(trial, VALKEY)


def restart_postgres(trial: Trial) -> None:
    """The database is stopped, or killed, and comes back."""
    _restart(trial, POSTGRES)


def restart_seaweedfs(trial: Trial) -> None:
    """The store is stopped, or killed, and comes back."""
    _restart(trial, STORE)


def _restart(trial: Trial, name: str) -> None:
    trial.submit_and_wait()
    trial.hurt()
    if trial.rng.random() < 0.5:
        trial.notes["how"] = "killed"
        trial.parts.kill(name)
    else:
        trial.notes["how"] = "stopped"
        trial.parts.stop(name)
    trial.pause(*DOWN_SECONDS)
    trial.parts.start(name)


# -- disks that are full -------------------------------------------------------------------------


def full_scratch(trial: Trial) -> None:
    """The workers' disk is full for some seconds."""
    trial.submit_and_wait()
    trial.hurt()
    if trial.parts.small_disk:
        trial.notes["how"] = "tmpfs"
        with disk.filled(trial.parts.scratch):
            trial.pause(3.0, 8.0)
    else:
        trial.notes["how"] = "RLIMIT_FSIZE"
        with disk.small_files_only(trial.attempt().pid):
            trial.pause(3.0, 8.0)


# -- messages and leases -------------------------------------------------------------------------


def lose_bells(trial: Trial) -> None:
    """Every message in the broker is forgotten, several times on the way."""
    trial.submit()
    for _ in range(3):
        _forget_bells()
        trial.pause(0.0, 0.3 * trial.usual_seconds)
    _forget_bells()


def _forget_bells() -> None:
    with celery_app().connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.queue_purge(COMPUTE)


def deliver_three_times(trial: Trial) -> None:
    """One and the same message arrives three times, before the job, with it and on its way."""
    message = f"bell-{trial.mark}"

    def deliver() -> None:
        for _ in range(3):
            celery_app().send_task(
                LOOK, args=(COMPUTE,), queue=COMPUTE, task_id=message, retry=False
            )

    deliver()
    trial.submit()
    deliver()
    trial.pause(0.0, 0.9 * trial.usual_seconds)
    deliver()


def claim_at_once(trial: Trial) -> None:
    """Two jobs wait, and both workers are told in the same instant, again and again."""
    trial.submit()
    trial.mark += 1
    trial.submit()
    for _ in range(5):
        threads = [threading.Thread(target=ring, args=(COMPUTE,)) for _ in WORKERS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trial.pause(0.0, 0.2 * trial.usual_seconds)


def expire_lease(trial: Trial) -> None:
    """A lease runs out while its worker works: another takes the step, and the first goes on.

    The sweeper that finds it is this process, a second one beside that of the stack.
    """
    from worker.sweeper import requeue_lost_steps  # needs to know where the servers are

    trial.submit_and_wait()
    step = trial.step_of(trial.attempt())
    trial.hurt()
    state.expire_lease(step)
    requeue_lost_steps(get_settings())
    ring(COMPUTE)


def freeze_worker(trial: Trial) -> None:
    """A worker stands still beyond its lease, and wakes up as if nothing had happened."""
    trial.submit_and_wait()
    attempt = trial.attempt()
    frozen = [attempt, trial.parts.supervisor(attempt)]
    trial.hurt()
    for process in frozen:
        process.suspend()
    time.sleep(get_settings().lease_seconds + 2 * get_settings().sweep_seconds)
    for process in frozen:
        process.resume()


# -- owners who change their minds ---------------------------------------------------------------


def cancel_queued(trial: Trial) -> None:
    """Cancel at once."""
    trial.submit()
    _cancel(trial)


def cancel_training(trial: Trial) -> None:
    """Cancel in the phase `training`."""
    _cancel_in(trial, "training")


def cancel_protecting(trial: Trial) -> None:
    """Cancel in the phase `protecting`."""
    _cancel_in(trial, "protecting")


def cancel_evaluating(trial: Trial) -> None:
    """Cancel in the phase `evaluating`, reporting included."""
    _cancel_in(trial, "evaluating")


def _cancel_in(trial: Trial, phase: str) -> None:
    trial.submit()
    trial.wait_for_phase(phase)
    _cancel(trial)


def _cancel(trial: Trial) -> None:
    """Cancelled is right, and so is a job that was faster."""
    trial.expected = frozenset({"cancelled", "succeeded"})
    asked = time.monotonic()
    trial.owner.ask(trial.jobs[-1], "cancel")
    trial.follow()
    trial.notes["cancel_seconds"] = round(time.monotonic() - asked, 2)


def pause_and_resume(trial: Trial) -> None:
    """Pause at a random moment, wait until it holds, and let the job go on."""
    trial.submit_and_wait()
    job_id = trial.jobs[-1]
    asked = time.monotonic()
    trial.owner.ask(job_id, "pause")
    trial.wait_for_status("paused")
    trial.notes["pause_seconds"] = round(time.monotonic() - asked, 2)
    trial.owner.ask(job_id, "resume")


KINDS: dict[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
        kill_training,
        kill_attempt,
        kill_worker,
        kill_supervisor,
        kill_fork_server,
        kill_api,
        kill_api_at_submission,
        kill_api_at_upload,
        kill_ingest,
        kill_sweeper,
        drain_worker,
        restart_valkey,
        restart_postgres,
        restart_seaweedfs,
        full_scratch,
        lose_bells,
        deliver_three_times,
        claim_at_once,
        expire_lease,
        freeze_worker,
        cancel_queued,
        cancel_training,
        cancel_protecting,
        cancel_evaluating,
        pause_and_resume,
    )
}
