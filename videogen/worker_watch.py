"""What a GPU worker watches while it runs: whether its machine is quarantined, and which servers were added.

One thread of its own asks the database; the worker's queues are changed by its own event loop.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from celery import signals
from django.db import InterfaceError, OperationalError, connection

from jobs import pool_health, queues
from jobs.backends import registry
from notifications import prepared

logger = logging.getLogger(__name__)

# Between two looks, seconds.
_GLANCE: Final = 2.0
_POOLS: Final = """
select name, driver, exists (select 1 from node
    where node.pool_name = pool.name and node.name = %s and quarantined_until > now())
from pool
"""


def wait_while_quarantined(
    pools: Sequence[str], node: str, *, say: Callable[[str], object]
) -> None:
    """Return when this machine may take attempts of these pools."""
    said = False
    while any(pool_health.is_quarantined(pool, node) for pool in pools):
        if not said:
            say(f"{node} is quarantined: its attempts failed in a row. Waiting.")
            said = True
        connection.close()
        time.sleep(_GLANCE)


def start(pools: Sequence[str], node: str, *, follows_servers: bool, slots: queues.Slots) -> None:
    """Watch from the moment the worker is ready. `follows_servers` takes the queues of new servers too."""

    def watch(sender: Any, **_: Any) -> None:
        threading.Thread(
            target=_watch, args=(sender, list(pools), node, follows_servers, slots), daemon=True
        ).start()

    signals.worker_ready.connect(watch, weak=False)


def _watch(
    consumer: Any,
    pools: list[str],
    node: str,
    follows_servers: bool,  # noqa: FBT001 - a thread's arguments
    slots: queues.Slots,
) -> None:
    consumed = set(pools)
    left: set[str] = set()
    while True:
        time.sleep(_GLANCE)
        try:
            known = prepared.run(_POOLS, [node])
        except (OperationalError, InterfaceError):
            logger.info("watch_without_database")
            connection.close()
            continue
        out = {name for name, _, is_quarantined in known if is_quarantined}
        _mind_quarantine(consumer, consumed & out, left, node, slots)
        if follows_servers:
            _follow(consumer, consumed, {name: driver for name, driver, _ in known}, slots)


def _mind_quarantine(
    consumer: Any, out: set[str], left: set[str], node: str, slots: queues.Slots
) -> None:
    """Take nothing of pools from which this machine is out, and take it again when that is over."""
    for pool in out - left:
        logger.warning("left_quarantined_pool", extra={"pool": pool, "node": node})
        for queue in queues.of_pool(pool, slots):
            consumer.call_soon(consumer.cancel_task_queue, queue)
    for pool in left - out:
        for queue in queues.of_pool(pool, slots):
            consumer.call_soon(consumer.add_task_queue, queue)
    left.clear()
    left.update(out)


def _follow(
    consumer: Any, consumed: set[str], known: Mapping[str, str], slots: queues.Slots
) -> None:
    """Consume the queues of servers that were added, and leave those of pools that were removed.

    `known` are the drivers of all pools.
    """
    for name in known.keys() - consumed:
        if registry.backend(known[name]).capabilities.runs_in_worker:
            # It needs a worker on a machine that can run it.
            continue
        for queue in queues.of_pool(name, slots):
            consumer.call_soon(consumer.add_task_queue, queue)
        consumed.add(name)
        logger.info("pool_followed", extra={"pool": name})
    for name in consumed - known.keys():
        for queue in queues.of_pool(name, slots):
            consumer.call_soon(consumer.cancel_task_queue, queue)
        consumed.discard(name)
