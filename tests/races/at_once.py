"""Acts at the same moment: in threads, in processes, and one that comes while another is held."""

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any, TypeVar

from django.db import connection

T = TypeVar("T")

# Longer than any honest act takes, seconds.
_PATIENCE = 60.0
_LOOK_EVERY = 0.005
# A session may also wait for a moment behind autovacuum or a file that grows: that says nothing of the acts.
_WAITING = """
select count(*) from unnest(%(pids)s::int[]) as waiting (pid)
where pg_blocking_pids(waiting.pid) && (%(pids)s::int[] || %(holder)s::int)
"""


def threads(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Run all acts at once, each on a connection of its own; give their results in order."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        try:
            connection.ensure_connection()
            barrier.wait(_PATIENCE)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def processes(count: int, *, rounds: int, act: Callable[[int, int], T]) -> list[list[T]]:
    """Run `act(round, number)` in so many processes, every round at once; give results by round.

    Results must be plain values: they come through a pipe.
    """
    # A child that inherits an open connection could end its parent's session.
    connection.close()
    context = get_context("fork")
    barrier = context.Barrier(count)
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    children = [
        context.Process(target=_child, args=(pipe, barrier, number, rounds, act), daemon=True)
        for number, (_, pipe) in enumerate(pipes)
    ]
    for child in children:
        child.start()
    for _, pipe in pipes:
        pipe.close()
    told = [reader.recv() for reader, _ in pipes]
    for child in children:
        child.join(_PATIENCE)
    if broken := [text for text in told if isinstance(text, str)]:
        raise AssertionError("\n".join(broken))
    return [list(answers) for answers in zip(*told, strict=True)]


def _child(
    pipe: Connection,
    barrier: Barrier,
    number: int,
    rounds: int,
    act: Callable[[int, int], Any],
) -> None:
    try:
        connection.ensure_connection()
        answers = []
        for at in range(rounds):
            barrier.wait(_PATIENCE)
            answers.append(act(at, number))
        pipe.send(answers)
    except BaseException:  # noqa: BLE001 - the parent raises it
        barrier.abort()
        pipe.send(traceback.format_exc())
    finally:
        connection.close()


@dataclass
class Gate:
    """Stops the thread that runs `first` where it calls what `before` gives, until it is let go."""

    _reached: threading.Event = field(default_factory=threading.Event)
    _opened: threading.Event = field(default_factory=threading.Event)
    _held: set[int] = field(default_factory=set)

    def before(self, act: Callable[..., T]) -> Callable[..., T]:
        """Give the act with the gate in front of it."""

        def gated(*args: Any, **named: Any) -> T:
            if threading.get_ident() in self._held:
                self._reached.set()
                assert self._opened.wait(_PATIENCE)
            return act(*args, **named)

        return gated

    def hold(self, first: Callable[[], T], then: Callable[[], T]) -> tuple[T, T, bool]:
        """Run `then` while `first` is held; give both results and whether `then` had to wait.

        The gate opens when `then` waits for a lock of `first`, or when it is through.
        """
        holder: Future[int] = Future()
        pid: Future[int] = Future()
        with ThreadPoolExecutor(2) as pool:
            try:
                earlier = pool.submit(self._on_its_own, first, pid=holder, is_held=True)
                assert self._reached.wait(_PATIENCE), "The first act never came to the gate."
                later = pool.submit(self._on_its_own, then, pid=pid)
                has_waited = _waits([pid.result(_PATIENCE)], on=holder.result(), until=[later]) == 1
            finally:
                self._opened.set()
            return earlier.result(), later.result(), has_waited

    def _on_its_own(self, act: Callable[[], T], *, pid: Future[int], is_held: bool = False) -> T:
        try:
            if is_held:
                self._held.add(threading.get_ident())
            pid.set_result(_backend_pid())
            return act()
        finally:
            connection.close()


def behind(statement: str, acts: Sequence[Callable[[], T]]) -> list[T]:
    """Start all acts while another transaction holds what `statement` locked; then let them all go.

    Each has read what it reads before that lock, so a decision that the lock does not guard is outdated.
    """
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(statement)
        holder: int = other.connection.info.backend_pid
        with ThreadPoolExecutor(len(acts)) as pool:
            pids: list[Future[int]] = [Future() for _ in acts]
            running = [
                pool.submit(_announced, act, pid) for act, pid in zip(acts, pids, strict=True)
            ]
            try:
                _waits([pid.result(_PATIENCE) for pid in pids], on=holder, until=running)
            finally:
                other.rollback()
            return [act.result() for act in running]
    finally:
        other.close()


def _announced(act: Callable[[], T], pid: Future[int]) -> T:
    try:
        pid.set_result(_backend_pid())
        return act()
    finally:
        connection.close()


def _backend_pid() -> int:
    connection.ensure_connection()
    pid: int = connection.connection.info.backend_pid
    return pid


def _waits(pids: list[int], *, on: int, until: Sequence[Future[Any]]) -> int:
    """Give how many sessions wait for the session `on` or for each other, once all do that have not ended."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        assert time.monotonic() < deadline, "Some neither wait for each other nor end."
        with connection.cursor() as cursor:
            cursor.execute(_WAITING, {"pids": pids, "holder": on})
            (waiting,) = cursor.fetchone()
        if waiting + sum(act.done() for act in until) >= len(until):
            return int(waiting)
        # Asking takes locks that the acts need too.
        time.sleep(_LOOK_EVERY)
