"""Telling workers to look. The message carries nothing: the database is the truth.

A lost bell costs a few seconds (the sweeper rings again), a bell too many costs one query.
"""

import functools
import logging
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from core.settings import get_settings

LOOK = "worker.look"

log = logging.getLogger(__name__)


@functools.cache
def celery_app() -> Celery:
    """The Celery application, as producers and workers configure it."""
    app = Celery("unlearnable", broker=get_settings().broker_url.get_secret_value())
    app.conf.update(
        task_ignore_result=True,
        # Acknowledged on arrival: the lease in the database is what survives a dead worker. A late
        # acknowledgement would be delivered again after the visibility timeout, job or no job.
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        accept_content=["json"],
        task_serializer="json",
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        broker_transport_options={
            "socket_timeout": 30,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "global_keyprefix": "unlearnable:",
        },
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
    )
    return app


def is_ringing(pool: str) -> bool:
    """Whether a bell waits in the queue of `pool` already; False if the broker does not say."""
    with celery_app().connection_for_write() as connection:
        away: tuple[type[BaseException], ...] = (OperationalError, *connection.connection_errors)
        try:
            channel: Any = connection.default_channel
            # Declared as Celery declares it. Asking passively would fail on Redis with a key
            # prefix.
            return bool(channel.queue_declare(queue=pool, durable=True).message_count)
        except away:
            return False  # to ring is no harm, and says what is wrong


def ring(pool: str) -> bool:
    """Tell one worker of `pool` to look. Returns False if the broker did not take the message."""
    try:
        celery_app().send_task(LOOK, args=(pool,), queue=pool, retry=False, expires=3600)
    except OperationalError as error:
        log.warning("doorbell of %s not rung: %s", pool, error)
        return False
    return True
