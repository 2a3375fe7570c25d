"""The cache in Redis, as something that may be away: then nothing is known, and nobody waits for it."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import ConnectionPool
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
# After a failure nobody asks for so long, seconds: a request that would ask ten times waits once.
_REST: Final = 1.0
# A lock on the counts of tries holds at most so long, seconds. What Redis did while nobody heard its answer nobody
# undoes, and allauth tells who finds the lock taken for a second that there were too many tries.
_LOCK: Final = ":lock"
_LOCKED_FOR: Final = 1
# On the monotonic clock, for all cache objects: there is one Redis.
_away_until = 0.0


# By address. Django makes a cache object for each thread, and on an event loop one for each request: each would greet
# Redis anew.
_pools: Final[dict[str, dict[int, ConnectionPool]]] = {}


class _Client(RedisCacheClient):
    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self._pools = _pools.setdefault(" ".join(servers), {})


class ForgivingCache(RedisCache):
    """Counts of tries and the like. What protects the database is counted in the process beside it."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Give a value; the default also without Redis."""
        return _asked(lambda: super(ForgivingCache, self).get(key, default, version), default)

    def get_many(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Give what is there of several values."""
        nothing: dict[Any, Any] = {}
        return _asked(lambda: dict(super(ForgivingCache, self).get_many(*args, **kwargs)), nothing)

    def set(self, *args: Any, **kwargs: Any) -> None:
        """Keep a value, where Redis is there."""
        _asked(lambda: super(ForgivingCache, self).set(*args, **kwargs), None)

    def set_many(self, data: dict[Any, Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Keep several values; name those that were not kept."""
        return _asked(
            lambda: list(super(ForgivingCache, self).set_many(data, *args, **kwargs)), [*data]
        )

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep a value that is not there yet. True also without Redis, so that nobody waits for a lock."""
        seconds = _LOCKED_FOR if key.endswith(_LOCK) else timeout
        return _asked(
            lambda: bool(super(ForgivingCache, self).add(key, value, seconds, version)),
            True,  # noqa: FBT003
        )

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        """Drop a value."""
        return _asked(lambda: bool(super(ForgivingCache, self).delete(*args, **kwargs)), False)  # noqa: FBT003


def _asked(ask: Callable[[], Answer], otherwise: Answer) -> Answer:
    global _away_until  # noqa: PLW0603 - what one thread found out spares the others the wait
    if time.monotonic() < _away_until:
        return otherwise
    try:
        return ask()
    except (RedisError, OSError) as error:
        _away_until = time.monotonic() + _REST
        logger.warning("cache_away", extra={"reason": type(error).__name__})
        return otherwise
