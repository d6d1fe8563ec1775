"""Start the API: `python -m service.main [--host H] [--port P] [--grace S]`.

One process. More of them are more containers behind a load balancer, each with its own metrics.
"""

import argparse
import gc

import uvicorn

from core import logs, metrics
from core.settings import get_settings
from service.app import create_app

GRACE_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service.main", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on")
    parser.add_argument(
        "--grace",
        type=int,
        default=GRACE_SECONDS,
        help="seconds that open requests (an upload under way) have to finish when it stops",
    )
    arguments = parser.parse_args()
    settings = get_settings()
    logs.configure("api", settings)
    metrics.serve(settings.metrics_host, settings.api_metrics_port)
    app = create_app()
    # What stands now stands for good. A full collection that looked at all of it again would hold
    # every request up for 0.15 s.
    gc.collect()
    gc.freeze()
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_config=None,  # through our handler
        access_log=False,  # service.kit.access writes better ones
        server_header=False,
        timeout_graceful_shutdown=arguments.grace,
    )


if __name__ == "__main__":
    main()
