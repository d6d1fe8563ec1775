"""Figures for Prometheus, on a port of their own: never on the one that data owners reach."""

import logging

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

log = logging.getLogger(__name__)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


def serve(host: str, port: int | None) -> None:
    """Answer scrapes at `http://host:port/metrics` from a thread of this process; None for no."""
    if port is not None:
        start_http_server(port, host, REGISTRY)
        log.info("metrics on port %d", port)
