"""A worker of threads that was full takes the next message as soon as one of them is free.

With `worker_disable_prefetch` a full worker asks the broker for nothing. Celery's event loop asks again when it wakes,
which no thread's end makes it do: it would sleep until its next timer, up to a second, with every thread idle.
"""

from concurrent.futures import Future
from typing import Any

from celery.concurrency.thread import TaskPool


def wake_loop(consumer: Any) -> None:
    """Wake the worker's event loop whenever a task has ended, from now on; other pools than threads are left alone."""
    if not isinstance(consumer.pool, TaskPool):
        return
    pool: Any = consumer.pool
    apply = pool.on_apply

    def ended(_: "Future[Any]") -> None:
        # The loop asks the broker before it sleeps again; there is nothing else to do.
        consumer.call_soon(_nothing)

    def on_apply(*args: Any, **options: Any) -> Any:
        applied = apply(*args, **options)
        # Not a signal: those come before the worker counts the task as ended.
        applied.f.add_done_callback(ended)
        return applied

    pool.on_apply = on_apply


def _nothing() -> None:
    pass
