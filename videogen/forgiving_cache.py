"""The cache in Redis, as something that may be away: then nothing is known, and nobody waits for it."""

import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class ForgivingCache(RedisCache):
    """Counts of tries and the like. What protects the database is counted in the process beside it."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Give a value; the default also without Redis."""
        try:
            return super().get(key, default, version)
        except (RedisError, OSError) as error:
            _say(error)
            return default

    def set(self, *args: Any, **kwargs: Any) -> None:
        """Keep a value, where Redis is there."""
        try:
            super().set(*args, **kwargs)
        except (RedisError, OSError) as error:
            _say(error)

    def add(self, *args: Any, **kwargs: Any) -> bool:
        """Keep a value that is not there yet. True also without Redis, so that nobody waits for a lock."""
        try:
            return super().add(*args, **kwargs)
        except (RedisError, OSError) as error:
            _say(error)
            return True

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        """Drop a value."""
        try:
            return super().delete(*args, **kwargs)
        except (RedisError, OSError) as error:
            _say(error)
            return False


def _say(error: Exception) -> None:
    logger.warning("cache_away", extra={"reason": type(error).__name__})
