"""Tells the dispatcher to look now: a job came, or a slot was freed. A hint; it looks by itself ten times a second.

However much happens, a process tells it at most fifty times a second, on a thread of its own, so that no request
and no worker waits for Redis.
"""

import logging
import threading
import time
from typing import Final

import redis
from django.conf import settings
from redis.client import PubSub

logger = logging.getLogger(__name__)

_CHANNEL: Final = "dispatcher"
# Between two messages of a process, seconds.
_PAUSE: Final = 0.02
# After Redis failed: what it costs is the dispatcher's own pace.
_AWAY: Final = 5.0
_PATIENCE: Final = 0.3
# After so much silence the listener asks whether Redis is still there, seconds.
_LISTENS: Final = 30

_wanted = threading.Event()
_lock = threading.Lock()
_teller: threading.Thread | None = None


def wake() -> None:
    """Say that there may be something to grant. Called after the commit; never waits, never raises."""
    _wanted.set()
    # A forked process has the name of its parent's thread, which does not run here.
    if _teller is None or not _teller.is_alive():
        _start_telling()


def listen() -> threading.Event:
    """Give an event that is set whenever some process said so, by a thread that lives as long as this process."""
    woken = threading.Event()
    threading.Thread(target=_listen, args=(woken,), name="wakeup-listener", daemon=True).start()
    return woken


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
        _wanted.wait()
        _wanted.clear()
        try:
            client.publish(_CHANNEL, b"")
        except (redis.RedisError, OSError) as error:
            logger.info("dispatcher_not_woken", extra={"reason": type(error).__name__})
            time.sleep(_AWAY)
        time.sleep(_PAUSE)


def _listen(woken: threading.Event) -> None:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=_PATIENCE, health_check_interval=_LISTENS
    )
    while True:
        try:
            with PubSub(client.connection_pool, ignore_subscribe_messages=True) as channel:
                channel.subscribe(_CHANNEL)
                while True:
                    if channel.get_message(timeout=_LISTENS) is not None:
                        woken.set()
        except (redis.RedisError, OSError) as error:
            logger.info("dispatcher_hears_nothing", extra={"reason": type(error).__name__})
            time.sleep(_AWAY)
