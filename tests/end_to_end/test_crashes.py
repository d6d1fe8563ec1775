"""Owners change their minds: nothing is lost and nothing is left.

That workers die is tried by `benchmarks.faults`, of which the tests run ten rounds.
"""

import os
import time
from dataclasses import replace

import numpy as np
import psutil
import torch

from cli.stack.environment import usable_cores
from core.object_store import ObjectStore
from engine import TrainedGenerator, train_generator
from tests.end_to_end.owner import Arrays, Json, Owner


def training_process(owner: Owner) -> psutil.Process:
    """The process of the step that runs now."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        worker = psutil.Process(owner.stack.processes["worker-compute"])
        for pool in worker.children():
            for fork_server in pool.children():
                for process in fork_server.children():
                    return process
        time.sleep(0.1)
    raise AssertionError("no step runs")


def is_training(job: Json) -> bool:
    return bool(job["phase"] == "training" and job["progress"] > 0)


def test_cancel_takes_effect_at_once_and_leaves_nothing(
    owner: Owner, digits_npz: Json, store: ObjectStore
) -> None:
    """A job that waits for the only worker is cancelled first, then the one that has it."""
    job = owner.start(digits_npz, epsilon=0.3, budget_seconds=300)
    waiting = owner.start(digits_npz, epsilon=0.3, budget_seconds=300)
    owner.poll(job["id"], is_training)
    answer = owner.http.post(f"/v1/jobs/{waiting['id']}/cancel")
    assert answer.json()["status"] == "cancelled"

    process = training_process(owner)
    asked = time.monotonic()
    answer = owner.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert answer.json()["status"] in {"cancelling", "cancelled"}
    owner.poll(job["id"], lambda job: bool(job["status"] == "cancelled"), seconds=10)
    assert time.monotonic() - asked < 4
    assert not process.is_running()
    for cancelled in (job, waiting):
        assert [key for key in store.keys("tenants/") if cancelled["id"] in key] == []
        assert owner.http.get(f"/v1/jobs/{cancelled['id']}/evaluation").status_code == 409
        again = owner.http.post(f"/v1/jobs/{cancelled['id']}/cancel")
        assert (again.status_code, again.json()["status"]) == (200, "cancelled")


def test_a_paused_training_goes_on_to_the_bits_of_an_undisturbed_one(
    owner: Owner, digits: Arrays, digits_npz: Json
) -> None:
    job = owner.start(
        digits_npz, epsilon=0.3, budget_seconds=12, evaluation={"countermeasures": []}
    )
    owner.poll(job["id"], lambda job: bool(job["metrics"].get("step", 0) > 0))
    asked = time.monotonic()
    for _ in range(2):
        answer = owner.http.post(f"/v1/jobs/{job['id']}/pause")
        assert answer.json()["status"] in {"pausing", "paused"}
    paused, _ = owner.poll(job["id"], lambda job: bool(job["status"] == "paused"), seconds=20)
    assert time.monotonic() - asked < 20
    assert paused["phase"] == "training"
    assert owner.http.post(f"/v1/jobs/{job['id']}/resume").json()["status"] == "queued"
    job, seen = owner.finish(job["id"])
    assert job["status"] == "succeeded", job["error"]
    assert min(state["progress"] for state in seen) >= paused["progress"] > 0

    resumed = TrainedGenerator.from_bytes(owner.download(job["id"])["generator.safetensors"])
    threads = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", usable_cores())))
    try:
        whole = train_generator(
            digits["x_train"][..., None],
            digits["y_train"].astype(np.int64),
            4,
            replace(resumed.plan, steps=resumed.summary.steps),
        )
    finally:
        torch.set_num_threads(threads)
    assert whole.summary.chosen_trial == resumed.summary.chosen_trial
    for name, weights in whole.network.state_dict().items():
        assert torch.equal(weights, resumed.network.state_dict()[name]), name
