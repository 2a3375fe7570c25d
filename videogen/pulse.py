"""A process's sign of life: its READY_FILE stays young as long as it does what it is there for.

A worker has a queue of its own and puts canaries into it. One that works in every thread takes nothing, and is well.
One that has room and lets a canary lie has stopped consuming, though its process looks alive: it ends itself, to be
started anew. One that hangs or is stopped cannot even do that; its file is old by then, and its supervisor ends it.
"""

import logging
import signal
import threading
import time
from typing import Any, Final

from celery import signals
from celery.worker import state
from django.db import DatabaseError, connection

from videogen import canaries, readiness

logger = logging.getLogger(__name__)

# Between two signs of life, and between two canaries to itself, seconds.
GLANCE: Final = 2.0
_EVERY: Final = 15.0
# A canary lay so long before a free thread, and those sent after it too: that is no lost message, seconds.
PATIENCE: Final = 60.0
_OWN: Final = "pulse."

_answered = threading.Event()


def of_beat() -> None:
    """Give a sign whenever beat sends something, which is every few seconds."""
    signals.before_task_publish.connect(_sign, weak=False)


def of_worker(consumer: Any) -> None:
    """Give signs from now on, and note of which queues tasks ran."""
    queue = f"{_OWN}{consumer.hostname}"
    consumer.call_soon(consumer.add_task_queue, queue, auto_delete=True)
    signals.task_postrun.connect(_note, weak=False)
    threading.Thread(target=_give_signs, args=(consumer, queue), name="pulse", daemon=True).start()


def is_busy(consumer: Any) -> bool:
    """Say whether every thread of a worker runs a task."""
    return len(state.active_requests) >= int(consumer.pool.num_processes)


def _sign(**_: Any) -> None:
    readiness.say_ready()


def _note(task: Any, **_: Any) -> None:
    queue = str((task.request.delivery_info or {}).get("routing_key") or "")
    if queue.startswith(_OWN):
        _answered.set()
        return
    try:
        canaries.heard(queue)
    except DatabaseError as error:
        logger.warning("canary_not_noted", extra={"reason": type(error).__name__})
        connection.close()


def _give_signs(consumer: Any, queue: str) -> None:
    asked_at = sent_at = None
    while True:
        now = time.monotonic()
        if _answered.is_set() or is_busy(consumer):
            _answered.clear()
            asked_at = None
        if asked_at is not None and now - asked_at > PATIENCE:
            logger.error("worker_stopped_consuming", extra={"worker": consumer.hostname})
            signal.raise_signal(signal.SIGTERM)
            return
        readiness.say_ready()
        if sent_at is None or now - sent_at >= _EVERY:
            sent_at = now
            # Without a broker there is nothing to take.
            asked_at = (asked_at or now) if canaries.send(queue) else None
        time.sleep(GLANCE)
