"""Start a worker: `python -m worker.main ingest` or `python -m worker.main compute`."""

import argparse
import logging
import os

from core.doorbell import POOLS, ring
from worker import heartbeat
from worker.app import app, drain_file

log = logging.getLogger(__name__)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m worker.main", description=__doc__)
    parser.add_argument("pool", choices=POOLS, help="which steps this worker takes")
    pool: str = parser.parse_args().pool
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    drain_file(os.getpid()).unlink(missing_ok=True)
    heartbeat.begin(pool)
    ring(pool)  # steps may have been waiting since before this worker came
    try:
        app.worker_main(
            [
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
