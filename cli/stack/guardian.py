"""A small process that outlives `up` by a moment: however `up` ends, its children end too.

`up` writes one JSON line to the guardian's standard input for each child it starts. The kernel
closes that pipe when `up` is gone, also after `kill -9`; the guardian then ends every child that
is left, sweeps up their descendants, and exits. It holds the second lock of the data folder until
then, so that a new `up` waits for it.

    python -m cli.stack.guardian STAMP
"""

import json
import signal
import sys

from cli.stack.ending import APPLICATION, SERVER, Member, end, sweep

# Shorter than what `up` grants: it was killed, and so may its applications be (leases cover that).
# Servers get the time to end in good order.
GRACE_SECONDS = {APPLICATION: 3.0, SERVER: 10.0}


def main(stamp: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    members = []
    for line in sys.stdin:
        told = json.loads(line)
        grace = min(told["grace"], GRACE_SECONDS[told["stage"]])
        members.append(Member.of(told["name"], told["pid"], told["stage"], told["stop"], grace))
    end(members)
    sweep(stamp)


if __name__ == "__main__":
    main(sys.argv[1])
