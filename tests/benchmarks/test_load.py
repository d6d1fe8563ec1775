"""The load benchmark at a size that takes seconds: every figure is there, nothing was refused."""

import json
import subprocess
import sys

SMALL = "--jobs=800 --datasets=80 --rate=20 --seconds=1 --uploads=3 --upload-size=1 --upload-mb=16"


def test_load() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", "--json", *SMALL.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(found.stdout)
    assert (figures["jobs"], figures["datasets"]) == (800, 80)
    assert figures["poll_statuses"] == {"200": figures["poll_requests"]} == {"200": 20}
    assert figures["list_statuses"] == {"200": figures["list_requests"]} == {"200": 20}
    assert (figures["uploads"], figures["uploads_failed"]) == (6, 0)
    assert figures["uploads_bound_mb"] == (3 + 12) * 5
    for name in ("poll_p99_ms", "list_p99_ms", "upload_ratio", "peak_rss_mb"):
        assert figures[name] > 0
