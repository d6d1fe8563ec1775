"""How much sooner an evaluation-heavy job ends when a second worker joins.

    python -m benchmarks.fan_out [--json] [--seeds 8] [--epochs 2] [--steps 40]

Starts the whole stack and runs the same kind of job twice: with one compute worker, and with two.
Every worker has one core of its own and one thread, so two workers have twice the cores; each has
imported what it needs before a job is started. A job trains a generator for a few steps, and a
fresh victim for each seed on the clean and on the protected images. The second job evaluates with
other seeds, because it would find the baselines of the first one again. Figures:

    one_worker_seconds    from the start of the job to its results
    two_workers_seconds   the same with a second worker
    ratio                 the second divided by the first
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil

from cli.stack.environment import inherited
from cli.stack.info import StackInfo
from cli.stack.stack import running_stack
from unlearnable.models import FINAL

SAMPLE = Path(__file__).parents[1] / "cli" / "data" / "mnist-sample.npz"
VICTIM = "paper-mnist-cnn"
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
POLL_SECONDS = 0.5
READY = "all is imported"  # says `worker.fork_server`
READY_SECONDS = 120


def pin(pid: int, core: int) -> None:
    """Keep a process, its threads and whatever they start on one core."""
    worker = psutil.Process(pid)
    for process in (worker, *worker.children(recursive=True)):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {core})


def wait_until_ready(log: Path) -> None:
    """Wait until the worker of this log has imported what steps need.

    Raises:
        RuntimeError: it does not get there.
    """
    deadline = time.monotonic() + READY_SECONDS
    while READY not in log.read_text():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the worker is not ready after {READY_SECONDS} s: see {log}")
        time.sleep(POLL_SECONDS)


@contextmanager
def second_worker(info: StackInfo, core: int) -> Iterator[None]:
    """Another compute worker beside that of the stack."""
    path = info.logs / "second-worker.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker.main", "compute"],
            env=inherited() | info.environment | ONE_THREAD,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until_ready(path)
            pin(process.pid, core)
            yield
        finally:
            process.terminate()
            process.wait()


def upload(api: httpx2.Client, path: Path) -> str:
    """The id of the uploaded dataset, once it is ready."""
    with path.open("rb") as file:
        dataset = checked(api.post("/v1/datasets", files={"file": (path.name, file)}))
    while dataset["status"] == "validating":
        time.sleep(POLL_SECONDS)
        dataset = checked(api.get(f"/v1/datasets/{dataset['id']}"))
    if dataset["status"] != "ready":
        raise RuntimeError(f"the dataset is {dataset['status']}: {dataset['error']}")
    return str(dataset["id"])


def run_job(api: httpx2.Client, asked: dict[str, Any]) -> dict[str, Any]:
    """Start a job and follow it to its end."""
    job = checked(api.post("/v1/jobs", json=asked))
    while job["status"] not in FINAL:
        time.sleep(POLL_SECONDS)
        job = checked(api.get(f"/v1/jobs/{job['id']}"))
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job has {job['status']}: {job['error']}")
    return job


def checked(response: httpx2.Response) -> dict[str, Any]:
    if response.is_error:
        raise RuntimeError(f"{response.status_code}: {response.text}")
    return dict(response.json())


def seconds_of(job: dict[str, Any]) -> float:
    """From its start to its results."""
    finished, started = (
        datetime.fromisoformat(job[name]) for name in ("finished_at", "started_at")
    )
    return (finished - started).total_seconds()


def measure(sample: Path, seeds: int, epochs: int, steps: int) -> dict[str, Any]:
    """Run both jobs.

    Raises:
        RuntimeError: there are not two cores to use, or a job does not succeed.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("two workers need two cores: this process may use only one")
    os.environ |= ONE_THREAD  # for the worker that the stack starts
    with running_stack() as info:
        headers = {"Authorization": f"Bearer {info.api_key}"}
        with httpx2.Client(
            base_url=info.api_url, headers=headers, timeout=60, trust_env=False
        ) as api:
            dataset_id = upload(api, sample)
            wait_until_ready(info.logs / "worker-compute.log")

            def job(first_seed: int) -> float:
                pin(info.processes["worker-compute"], cores[0])
                evaluation = {
                    "victims": [{"victim": VICTIM, "epochs": epochs}],
                    "seeds": list(range(first_seed, first_seed + seeds)),
                    "countermeasures": [],
                }
                asked = {
                    "dataset_id": dataset_id,
                    "epsilon": 0.3,
                    "training_steps": steps,
                    "evaluation": evaluation,
                }
                return seconds_of(run_job(api, asked))

            one = job(0)
            with second_worker(info, cores[1]):
                two = job(seeds)
    return {
        "one_worker_seconds": round(one, 2),
        "two_workers_seconds": round(two, 2),
        "ratio": round(two / one, 3),
        "trainings": 2 * seeds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a second worker brings.")
    parser.add_argument("--data", type=Path, default=SAMPLE, help="a dataset to upload")
    parser.add_argument("--seeds", type=int, default=8, help="two trainings each")
    parser.add_argument("--epochs", type=int, default=2, help="of each training")
    parser.add_argument("--steps", type=int, default=40, help="of the generator's training")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    figures = measure(given.data, given.seeds, given.epochs, given.steps)
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
