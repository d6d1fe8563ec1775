"""Start a sender of webhooks: `python -m worker.webhooks`."""

import asyncio
import logging
import signal

from core import logs
from core.settings import get_settings
from worker import heartbeat
from worker.webhooks.dispatcher import Dispatcher

log = logging.getLogger("worker.webhooks")


async def _serve(dispatcher: Dispatcher) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await dispatcher.run(stop)


def main() -> None:
    settings = get_settings()
    logs.configure("webhooks", settings)
    heartbeat.begin(heartbeat.WEBHOOKS)
    log.info("sending webhooks")
    asyncio.run(_serve(Dispatcher(settings)))
    heartbeat.end()


if __name__ == "__main__":
    main()
