"""What the measurement of a second worker stands on."""

import os
import subprocess
import sys

from benchmarks.fan_out import pin, seconds_of


def test_a_pinned_process_and_what_it_starts_stay_on_one_core() -> None:
    core = max(os.sched_getaffinity(0))
    program = (
        "import os, subprocess, sys\n"
        "input()\n"
        "tell = 'import os; print(os.sched_getaffinity(0))'\n"
        "subprocess.run([sys.executable, '-c', tell], check=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        pin(process.pid, core)
        told, _ = process.communicate("go\n")
    assert told.strip() == str({core})


def test_a_job_is_timed_from_its_start_to_its_results() -> None:
    job = {
        "created_at": "2026-11-23T05:00:00Z",
        "started_at": "2026-11-23T05:00:10Z",
        "finished_at": "2026-11-23T05:02:10.500000Z",
    }
    assert seconds_of(job) == 120.5
