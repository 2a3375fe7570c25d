"""Wakes the loops that rest until there is work: a job came, a slot was freed, an event was recorded.

A hint: each loop looks by itself too, at least once a second. Loops of the same process hear at once. Others are told
by Redis, however much happens at most fifty times a second and half as often while it goes on, all in one message, on a
thread of its own, so that no request and no worker waits for Redis. One more thread hears for all loops of a process.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from secrets import token_hex
from typing import Any, Final

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

# What can be woken.
DISPATCHER: Final = "dispatcher"
RELAY: Final = "relay"
COURIER: Final = "courier"
POLLER: Final = "poller"
# Between two messages of a process, and between two of many, seconds.
_PAUSE: Final = 0.02
_LONG_PAUSE: Final = 0.04
# After Redis failed: what it costs is the loops' own pace.
_AWAY: Final = 5.0
_PATIENCE: Final = 0.3
# After so much silence the listener asks whether Redis is still there, and waits so long for its answer, seconds.
_LISTENS: Final = 30.0
_ANSWERS: Final = 2.0

_CHANNEL: Final = "wake"
# Between the sender and the loops of a message, and between a loop and what it is told about.
_NEXT: Final = "\n"
_ABOUT: Final = ":"

# A dictionary, because threads may add to it and take from it without a lock.
_wanted: dict[str, None] = {}
_ring = threading.Event()
_lock = threading.Lock()
_teller: threading.Thread | None = None
# Names this process to its listener, which need not hear what its own loops were told.
_sender = ""


def _anything(_: str) -> bool:
    return True


@dataclass(slots=True)
class Ear:
    """What a loop hears with."""

    # Set when there may be work, and when some of what was told may have been missed.
    woken: threading.Event = field(default_factory=threading.Event)
    # Whether Redis is listened to: without it nothing can be heard.
    hears: bool = False
    # Says of what the loop is told about whether that may be work just now; asked on the listener's thread.
    heeds: Callable[[str], bool] = _anything


def about(loop: str, what: str) -> str:
    """Name a loop with what it is told about, so that it may heed it or not."""
    return f"{loop}{_ABOUT}{what}"


def wake(*loops: str) -> None:
    """Say that there may be something to do for these. Called after the commit; never waits, never raises."""
    _listener.hear(loops)
    # What is still wanted will be told after this.
    if not all(loop in _wanted for loop in loops):
        _wanted.update(dict.fromkeys(loops))
        _ring.set()
    # A forked process has the name of its parent's thread, which does not run here.
    if _teller is None or not _teller.is_alive():
        _start_telling()


def wake_on_commit(*loops: str) -> None:
    """Wake these when the caller's transaction commits; at once where there is none."""
    transaction.on_commit(lambda: wake(*loops))


class Listener:
    """Hears for the loops of a process, on one thread that lives as long as it."""

    def __init__(self) -> None:
        self._ears: dict[str, list[Ear]] = defaultdict(list)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._hears = False

    def listen(self, loop: str, *, heeds: Callable[[str], bool] = _anything) -> Ear:
        """Give an ear for what some process tells this loop."""
        ear = Ear(heeds=heeds)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._hears = False
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
            self._ears[loop].append(ear)
            if self._hears:
                _open(ear)
        return ear

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except (redis.RedisError, OSError) as error:
                self._end()
                logger.info("loops_hear_nothing", extra={"reason": type(error).__name__})
            time.sleep(_AWAY)

    def _follow(self) -> None:
        # The older protocol, in which a message is an answer like any other: redis-py's own reading of messages costs
        # ten times as much.
        pool = redis.ConnectionPool.from_url(
            settings.REDIS_URL, protocol=2, socket_connect_timeout=_PATIENCE
        )
        connection: Any = pool.get_connection()
        try:
            connection.send_command("SUBSCRIBE", _CHANNEL)
            while True:
                kind, _, what = _read(connection)
                if kind == b"subscribe":
                    # Before it nothing was heard.
                    self._begin()
                elif kind == b"message":
                    sender, *loops = what.decode(errors="replace").split(_NEXT)
                    if sender != _sender:
                        self.hear(loops)
        finally:
            connection.disconnect()

    def _begin(self) -> None:
        with self._lock:
            self._hears = True
            for ear in chain.from_iterable(self._ears.values()):
                _open(ear)

    def _end(self) -> None:
        with self._lock:
            self._hears = False
            for ear in chain.from_iterable(self._ears.values()):
                ear.hears = False

    def hear(self, loops: Iterable[str]) -> None:
        """Wake those of these loops that are of this process, and heed it."""
        if not self._ears:
            return
        for named in loops:
            loop, _, what = named.partition(_ABOUT)
            for ear in self._ears.get(loop, ()):
                if not ear.woken.is_set() and ear.heeds(what):
                    ear.woken.set()


# Of this process.
_listener: Final = Listener()
listen: Final = _listener.listen


def _open(ear: Ear) -> None:
    ear.hears = True
    ear.woken.set()


def _read(connection: Any) -> tuple[bytes, bytes, bytes]:
    """Wait for what comes next; raises redis.TimeoutError where nothing does though it was asked for."""
    try:
        found = connection.read_response(timeout=_LISTENS, disconnect_on_error=False)
    except redis.TimeoutError:
        connection.send_command("PING")
        found = connection.read_response(timeout=_ANSWERS)
    kind, *others = found
    return kind, others[0], others[-1]


def _start_telling() -> None:
    global _teller  # noqa: PLW0603 - one thread per process, started when first needed
    with _lock:
        if _teller is None or not _teller.is_alive():
            _teller = threading.Thread(target=_tell, name="wakeup-teller", daemon=True)
            _teller.start()
            # What a parent was asked to tell may still be wanted here.
            _ring.set()


def _tell() -> None:
    global _sender  # noqa: PLW0603 - one name per process, a new one where it was forked
    _sender = token_hex(8)
    pause = _PAUSE
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
    )
    while True:
        _ring.wait()
        _ring.clear()
        loops = []
        while _wanted:
            loops.append(_wanted.popitem()[0])
        try:
            if loops:
                client.publish(_CHANNEL, _NEXT.join([_sender, *loops]))
        except (redis.RedisError, OSError) as error:
            logger.info("loops_not_woken", extra={"reason": type(error).__name__})
            time.sleep(_AWAY)
        time.sleep(pause)
        pause = _LONG_PAUSE if _ring.is_set() else _PAUSE
