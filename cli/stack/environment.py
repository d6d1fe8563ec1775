"""The environment that children are started with."""

import os
from pathlib import Path

# Variables of the person's shell that would change what a child does with the addresses and
# passwords we give it: a profile for boto3, a service file for libpq, a proxy for loopback.
FOREIGN_PREFIXES = ("AWS_", "PG", "WEED_", "UNLEARNABLE_STACK_")
# Tells `prepare`, and nobody else, how to create the application's role and database.
SUPERUSER_URL = "PREPARE_SUPERUSER_URL"
LOOPBACK = "127.0.0.1,localhost"


def inherited() -> dict[str, str]:
    """Our environment without what would lead a child elsewhere."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)
    }
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = f"{kept[name]},{LOOPBACK}" if kept.get(name) else LOOPBACK
    return kept


def bare(home: Path) -> dict[str, str]:
    """Almost nothing: for servers, which are told everything on their command line."""
    return {"PATH": os.defpath, "HOME": str(home), "LC_ALL": "C", "TMPDIR": str(home)}


def usable_cores() -> int:
    """Cores that this process may use, a container's quota included; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")  # "max 100000" or "200000 100000"
    if quota.exists():
        allowed, period = quota.read_text().split()
        if allowed != "max":
            cores = min(cores, max(1, round(int(allowed) / int(period))))
    return cores
