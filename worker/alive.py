"""Whether a worker of this machine lives, for container health checks.

    python -m worker.alive {compute,ingest,sweeper,webhooks} [--seconds S]

Ends with 0 if there is one and all of them have beaten lately, with 1 if not; asks no server.
"""

import argparse
import sys

from core.pools import POOLS
from core.settings import get_settings
from worker.heartbeat import SWEEPER, WEBHOOKS, beats

LEASES = 3  # a beat waits for at most one statement on a database that is away: about a lease


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m worker.alive", description=__doc__)
    parser.add_argument("role", choices=(*POOLS, SWEEPER, WEBHOOKS))
    parser.add_argument(
        "--seconds", type=float, help=f"oldest beat that counts; default {LEASES} leases"
    )
    arguments = parser.parse_args()
    limit = arguments.seconds or LEASES * get_settings().lease_seconds
    found = beats(arguments.role)
    for one in found:
        sys.stdout.write(
            f"{arguments.role} {one.pid}: last beat {one.age_seconds:.1f} s ago"
            f"{'' if one.age_seconds <= limit else f', more than {limit:g} s: not alive'}\n"
        )
    if not found:
        sys.stdout.write(f"no {arguments.role} runs here\n")
    sys.exit(not found or any(one.age_seconds > limit for one in found))


if __name__ == "__main__":
    main()
