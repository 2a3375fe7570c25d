"""Wakes the loops that rest until there is work: a job came, a slot was freed, an event was recorded.

A hint: each loop looks by itself too, at least once a second. However much happens, a process tells of it at most
fifty times a second, on a thread of its own, so that no request and no worker waits for Redis.
"""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Final

import redis
from django.conf import settings
from django.db import transaction
from redis.client import PubSub

logger = logging.getLogger(__name__)

# What can be woken.
DISPATCHER: Final = "dispatcher"
RELAY: Final = "relay"
COURIER: Final = "courier"
POLLER: Final = "poller"
# Between two messages of a process, seconds.
_PAUSE: Final = 0.02
# After Redis failed: what it costs is the loops' own pace.
_AWAY: Final = 5.0
_PATIENCE: Final = 0.3
# After so much silence the listener asks whether Redis is still there, seconds.
_LISTENS: Final = 30

# A dictionary, because threads may add to it and take from it without a lock.
_wanted: dict[str, None] = {}
_ring = threading.Event()
_lock = threading.Lock()
_teller: threading.Thread | None = None


@dataclass(slots=True)
class Ear:
    """What a loop hears with."""

    # Set when there may be work, and when some of what was told may have been missed.
    woken: threading.Event = field(default_factory=threading.Event)
    # Whether Redis is listened to: without it nothing can be heard.
    hears: bool = False


def wake(*loops: str) -> None:
    """Say that there may be something to do for these. Called after the commit; never waits, never raises."""
    _wanted.update(dict.fromkeys(loops))
    _ring.set()
    # A forked process has the name of its parent's thread, which does not run here.
    if _teller is None or not _teller.is_alive():
        _start_telling()


def wake_on_commit(*loops: str) -> None:
    """Wake these when the caller's transaction commits; at once where there is none."""
    transaction.on_commit(lambda: wake(*loops))


def listen(loop: str) -> Ear:
    """Give an ear for what some process tells this loop, by a thread that lives as long as this process."""
    ear = Ear()
    name = f"{loop}-listener"
    threading.Thread(target=_listen, args=(loop, ear), name=name, daemon=True).start()
    return ear


def _start_telling() -> None:
    global _teller  # noqa: PLW0603 - one thread per process, started when first needed
    with _lock:
        if _teller is None or not _teller.is_alive():
            _teller = threading.Thread(target=_tell, name="wakeup-teller", daemon=True)
            _teller.start()


def _tell() -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
    )
    while True:
        _ring.wait()
        _ring.clear()
        told = client.pipeline(transaction=False)
        while _wanted:
            told.publish(_channel(_wanted.popitem()[0]), b"")
        try:
            told.execute()
        except (redis.RedisError, OSError) as error:
            logger.info("loops_not_woken", extra={"reason": type(error).__name__})
            time.sleep(_AWAY)
        time.sleep(_PAUSE)


def _listen(loop: str, ear: Ear) -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_PATIENCE, health_check_interval=_LISTENS
    )
    while True:
        try:
            with PubSub(client.connection_pool) as channel:
                channel.subscribe(_channel(loop))
                while True:
                    # The answer to the subscription wakes too: before it nothing was heard.
                    if channel.get_message(timeout=_LISTENS) is not None:
                        ear.hears = True
                        ear.woken.set()
        except (redis.RedisError, OSError) as error:
            ear.hears = False
            logger.info("loop_hears_nothing", extra={"loop": loop, "reason": type(error).__name__})
            time.sleep(_AWAY)


def _channel(loop: str) -> str:
    return f"wake.{loop}"
