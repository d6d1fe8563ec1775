"""Workers die, owners change their minds: nothing is lost and nothing is left."""

import os
import signal
import time

import psutil

from core.object_store import ObjectStore
from tests.end_to_end.owner import Json, Owner


def training_process(owner: Owner) -> psutil.Process:
    """The process of the step that runs now."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        worker = psutil.Process(owner.stack.processes["worker-compute"])
        for process in worker.children(recursive=True):
            if "worker.attempt" in process.cmdline():
                return process
        time.sleep(0.1)
    raise AssertionError("no step runs")


def is_training(job: Json) -> bool:
    return bool(job["phase"] == "training" and job["progress"] > 0)


def test_a_killed_training_is_taken_up_again(owner: Owner, digits_npz: Json) -> None:
    job = owner.start(digits_npz, epsilon=0.3, budget_seconds=6)
    owner.poll(job["id"], is_training)
    os.kill(training_process(owner).pid, signal.SIGKILL)
    job, _ = owner.finish(job["id"])
    assert job["status"] == "succeeded", job["error"]


def test_cancel_takes_effect_at_once_and_leaves_nothing(
    owner: Owner, digits_npz: Json, store: ObjectStore
) -> None:
    job = owner.start(digits_npz, epsilon=0.3, budget_seconds=300)
    owner.poll(job["id"], is_training)
    process = training_process(owner)
    asked = time.monotonic()
    answer = owner.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert answer.json()["status"] in {"cancelling", "cancelled"}
    owner.poll(job["id"], lambda job: bool(job["status"] == "cancelled"), seconds=10)
    assert time.monotonic() - asked < 4
    assert not process.is_running()
    prefixes = [key for key in store.keys("tenants/") if job["id"] in key]
    assert prefixes == []
    assert owner.http.get(f"/v1/jobs/{job['id']}/evaluation").status_code == 409
    again = owner.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


def test_a_waiting_job_can_be_cancelled(owner: Owner, digits_npz: Json) -> None:
    running = owner.start(digits_npz, epsilon=0.3, budget_seconds=300)
    owner.poll(running["id"], is_training)
    waiting = owner.start(digits_npz, epsilon=0.3, budget_seconds=300)
    assert owner.http.post(f"/v1/jobs/{waiting['id']}/cancel").json()["status"] == "cancelled"
    owner.http.post(f"/v1/jobs/{running['id']}/cancel")
    owner.finish(running["id"])
