"""What the API bears with a full database, the client on the same machine.

    python -m benchmarks.load [--json] [--jobs 100000] [--datasets 10000] [--seconds 30]

Starts PostgreSQL, Valkey, SeaweedFS and one API process, writes datasets and jobs of 20 tenants,
and then measures in turn (latencies in milliseconds, from when a request was due, open loop):

    poll_*          GET /v1/jobs/{id} at --rate requests a second, half of them jobs not yet ended
    poll_cpu_ms     processor time of the API process a request, whatever else runs
    list_*          pages of jobs and of datasets, from random depths, of 20 and of 100 items
    upload_ratio    throughput of one large upload through the API / of boto3 alone
    uploads_*       50 uploads of 20 MB at once, twice: seconds, all together MB a second, failures
    peak_rss_mb     largest resident memory of the API process, over everything above, in MiB
    uploads_rss_mb  the same of each of the two rounds of 50 uploads: flat if they do not differ
    uploads_growth_mb  how far each of them is above what the process had before any upload, in MiB
    uploads_bound_mb   what the parts of so many uploads take at the most, however large, in MiB
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load.client import Client, Latencies, at_rate
from benchmarks.load.population import Owner, fill
from benchmarks.upload import Memory, compare, generate, running_api, through_api
from cli.stack.servers import running_servers
from core.object_store import PART_BYTES, ObjectStore
from core.settings import MIB, get_settings
from service.datasets.upload import MAX_CONCURRENT, MAX_UNDERWAY

WARM_UP_SECONDS = 2.0
LIST_RATE = 20.0


def polling(
    port: int, pid: int, owners: list[Owner], rate: float, seconds: float
) -> dict[str, Any]:
    """Latencies of GET on random jobs."""
    draw = random.Random(1)  # noqa: S311  not a secret
    every = [(job, owner.key) for owner in owners for job in owner.jobs]
    live = [(job, owner.key) for owner in owners for job in owner.live]

    def ask() -> tuple[str, str]:
        job, key = draw.choice(live if draw.random() < 0.5 else every)
        return f"/v1/jobs/{job}", key

    process = psutil.Process(pid)

    async def run() -> tuple[Latencies, float]:
        client = Client(port)
        await at_rate(client, rate, WARM_UP_SECONDS, ask)
        before = sum(process.cpu_times()[:2])
        found = await at_rate(client, rate, seconds, ask)
        used = sum(process.cpu_times()[:2]) - before
        await client.close()
        return found, used

    found, used = asyncio.run(run())
    return {
        **_told("poll", found),
        "poll_cpu_ms": round(1000 * used / len(found.milliseconds), 2),
    }


def listing(port: int, owners: list[Owner], seconds: float) -> dict[str, Any]:
    """Latencies of pages from any depth of the largest tenants' lists."""
    draw = random.Random(2)  # noqa: S311  not a secret

    def ask() -> tuple[str, str]:
        owner = draw.choice(owners[:3])
        noun = draw.choice(["jobs", "datasets"])
        after = draw.choice(owner.jobs if noun == "jobs" else owner.datasets)
        limit = draw.choice([20, 100])
        return f"/v1/{noun}?limit={limit}&after={after}", owner.key

    async def run() -> Latencies:
        client = Client(port)
        await at_rate(client, LIST_RATE, WARM_UP_SECONDS, ask)
        found = await at_rate(client, LIST_RATE, seconds, ask)
        await client.close()
        return found

    return _told("list", asyncio.run(run()))


def _told(name: str, found: Latencies) -> dict[str, Any]:
    return {
        f"{name}_p50_ms": found.percentile(0.5),
        f"{name}_p99_ms": found.percentile(0.99),
        f"{name}_max_ms": found.percentile(1.0),
        f"{name}_requests": len(found.milliseconds),
        f"{name}_rate": found.rate,
        f"{name}_statuses": found.statuses,
    }


def uploading(port: int, pid: int, key: str, folder: Path, count: int, size: int) -> dict[str, Any]:
    """Many uploads at once, twice."""
    path = folder / "small"
    sha256 = generate(path, size)
    seconds, peaks, failed = [], [], 0
    before = psutil.Process(pid).memory_info().rss / MIB
    for _ in range(2):
        with Memory(pid) as memory, ThreadPoolExecutor(count) as pool:
            started = time.perf_counter()
            sent = [pool.submit(through_api, port, key, path, sha256, memory) for _ in range(count)]
            failed += sum(future.exception() is not None for future in sent)
            seconds.append(round(time.perf_counter() - started, 2))
        peaks.append(round(memory.peak / MIB, 1))
    return {
        "uploads": 2 * count,
        "uploads_failed": failed,
        "uploads_seconds": seconds,
        "uploads_mb_per_second": [round(count * size / MIB / taken, 1) for taken in seconds],
        "uploads_rss_mb": peaks,
        "uploads_growth_mb": [round(peak - before, 1) for peak in peaks],
        "uploads_bound_mb": (min(count, MAX_CONCURRENT) + MAX_UNDERWAY) * PART_BYTES / MIB,
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything that `python -m benchmarks.load` prints."""
    path = folder / "large"
    sha256 = generate(path, int(options.upload_mb * MIB))
    limit = {
        "UNLEARNABLE_MAX_UPLOAD_BYTES": str(path.stat().st_size),
        "UNLEARNABLE_RATE_LIMIT_PER_SECOND": "10000",  # counted as ever, and never reached
    }
    with running_servers(folder / "data") as environment:
        os.environ.update(environment | limit)
        store = ObjectStore.from_settings(get_settings())
        started = time.perf_counter()
        owners = fill(options.jobs, options.datasets, seed=0)
        filled = time.perf_counter() - started
        with (
            running_api(environment | limit, folder / "api.log") as (port, pid),
            Memory(pid) as memory,
        ):
            figures = {
                "jobs": sum(len(owner.jobs) for owner in owners),
                "datasets": sum(len(owner.datasets) for owner in owners),
                "tenants": len(owners),
                "fill_seconds": round(filled, 1),
                **polling(port, pid, owners, options.rate, options.seconds),
                **listing(port, owners, options.seconds),
                **uploading(
                    port,
                    pid,
                    owners[0].key,
                    folder,
                    options.uploads,
                    int(options.upload_size * MIB),
                ),
            }
            large = compare(store, port, owners[0].key, path, sha256, memory)
        figures |= {
            "upload_ratio": large["ratio_to_boto3"],
            "upload_mb_per_second": large["api_mb_per_second"],
            "boto3_mb_per_second": large["boto3_mb_per_second"],
            "peak_rss_mb": large["peak_rss_mb"],
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the API under load.")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--datasets", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=200.0, help="polls a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of polling, and of listing")
    parser.add_argument("--uploads", type=int, default=50, help="at once")
    parser.add_argument("--upload-size", type=float, default=20.0, help="of each of those, in MiB")
    parser.add_argument("--upload-mb", type=float, default=512.0, help="of the single one, in MiB")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options, Path(folder))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
