"""A full worker looks for the next message when a task has ended, and is counted as ended."""

import threading
from types import SimpleNamespace

from celery.concurrency.thread import TaskPool

from videogen import freed_threads


class _Consumer:
    """As much of a worker's consumer as waking its loop asks for."""

    def __init__(self) -> None:
        self.pool = TaskPool(limit=1)
        self.pool.on_start()
        self.said: list[str] = []
        self.woken = threading.Event()

    def call_soon(self, callback: object, *_: object) -> None:
        assert callable(callback)
        callback()
        self.said.append("woken")
        self.woken.set()


def test_the_loop_is_woken_after_a_task_was_counted_as_ended() -> None:
    consumer = _Consumer()
    freed_threads.wake_loop(consumer)

    consumer.pool.on_apply(
        lambda: consumer.said.append("ran"),
        args=(),
        kwargs={},
        callback=lambda _: consumer.said.append("counted"),
    )

    assert consumer.woken.wait(60)
    assert consumer.said == ["ran", "counted", "woken"]
    consumer.pool.on_stop()


def test_the_loop_is_woken_after_a_task_that_broke() -> None:
    consumer = _Consumer()
    freed_threads.wake_loop(consumer)

    consumer.pool.on_apply(lambda: 1 / 0, args=(), kwargs={}, callback=lambda _: None)

    assert consumer.woken.wait(60)
    consumer.pool.on_stop()


def test_a_pool_of_processes_is_left_alone() -> None:
    consumer = SimpleNamespace(pool=SimpleNamespace(on_apply=print))

    freed_threads.wake_loop(consumer)

    assert consumer.pool.on_apply is print
