"""Start a worker: `python -m worker.main ingest` or `python -m worker.main compute`."""

import argparse
import os

from celery.signals import worker_process_init

from core import logs
from core.doorbell import ring
from core.pools import COMPUTE, POOLS
from core.settings import get_settings
from worker import heartbeat
from worker.app import app, drain_file, warm_up


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m worker.main", description=__doc__)
    parser.add_argument("pool", choices=POOLS, help="which steps this worker takes")
    pool: str = parser.parse_args().pool
    logs.configure(pool, get_settings())
    drain_file(os.getpid()).unlink(missing_ok=True)
    heartbeat.begin(pool)
    if pool == COMPUTE:  # the other may never need torch
        worker_process_init.connect(warm_up)
    ring(pool)  # steps may have been waiting since before this worker came
    try:
        app.worker_main(
            [
                "--quiet",  # no banner
                "worker",
                f"--queues={pool}",
                f"--hostname={pool}-{os.getpid()}@%h",
                "--pool=prefork",
                "--concurrency=1",
                "--without-gossip",
                "--without-mingle",
                "--loglevel=INFO",
            ]
        )
    finally:
        heartbeat.end()
        drain_file(os.getpid()).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
