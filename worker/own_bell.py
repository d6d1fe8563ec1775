"""The bell that only one worker hears: while idle it rings it, and beats when it answers.

Not a ping: a worker that has become deaf to its broker still answers those, because Celery's
control channel is another queue.
"""

from typing import Any

from celery import bootsteps
from celery.signals import celeryd_after_setup
from kombu import Exchange, Queue

from core.doorbell import LOOK, celery_app
from core.settings import get_settings
from worker import heartbeat


class OwnBell(bootsteps.StartStopStep):
    """While the consumer is connected, rings the worker's own bell whenever it has been quiet."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None
        self._hostname: str = parent.hostname

    def start(self, parent: Any) -> None:
        self._timer = parent.timer.call_repeatedly(get_settings().heartbeat_seconds, self._ring)

    def stop(self, parent: Any) -> None:  # noqa: ARG002  called by Celery
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        # Twice: one that holds a lease beats in time, and needs no bell that would wait for it.
        seconds = 2 * get_settings().heartbeat_seconds
        pool = heartbeat.quiet(seconds)
        if pool is None:
            return
        celery_app().send_task(
            LOOK, args=(pool,), queue=self._hostname, retry=False, expires=5 * seconds
        )


@celeryd_after_setup.connect
def _listen(sender: str, instance: Any, **_: Any) -> None:
    instance.app.amqp.queues.select_add(_queue(sender))


def _queue(hostname: str) -> Queue:
    # On the default exchange, so that workers that come and go leave no binding in the broker.
    return Queue(hostname, Exchange(""), routing_key=hostname, auto_delete=True)
