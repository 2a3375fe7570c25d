"""The channel layer in Redis, which nobody waits for longer than a moment.

Its connections have no timeouts of their own, because a reader of an idle group must wait for days; so a Redis that is
stopped would hold whoever joins or sends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from channels_redis.pubsub import RedisPubSubChannelLayer

# Seconds; a Redis that lives takes milliseconds.
_PATIENCE: Final = 1.0


class PatientLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # the package has no types
    """Raises TimeoutError where the layer would wait for Redis, except for messages."""

    async def new_channel(self, *args: Any, **kwargs: Any) -> Any:
        """Subscribe to a channel of one's own."""
        return await self._soon("new_channel", *args, **kwargs)

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        """Send to one channel."""
        return await self._soon("send", *args, **kwargs)

    async def group_add(self, *args: Any, **kwargs: Any) -> Any:
        """Join a group."""
        return await self._soon("group_add", *args, **kwargs)

    async def group_discard(self, *args: Any, **kwargs: Any) -> Any:
        """Leave a group."""
        return await self._soon("group_discard", *args, **kwargs)

    async def group_send(self, *args: Any, **kwargs: Any) -> Any:
        """Send to a group."""
        return await self._soon("group_send", *args, **kwargs)

    async def group_send_each(self, messages: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Send to groups, in order, in one round trip for each server."""
        layer = self._get_layer()
        by_shard: dict[Any, list[tuple[str, bytes]]] = defaultdict(list)
        for group, message in messages:
            name = layer._get_group_channel_name(group)  # noqa: SLF001 - as `group_send` names it
            shard = layer._get_shard(name)  # noqa: SLF001 - as above
            by_shard[shard].append((name, self.serialize(message)))
        async with asyncio.timeout(_PATIENCE):
            for shard, sent in by_shard.items():
                await _publish(shard, sent)

    async def _soon(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async with asyncio.timeout(_PATIENCE):
            return await getattr(self._get_layer(), name)(*args, **kwargs)


async def _publish(shard: Any, messages: Iterable[tuple[str, bytes]]) -> None:
    """Publish as the shard does one by one, under its lock and on its connections."""
    async with shard._lock:  # noqa: SLF001 - the package has no way to send many
        shard._ensure_redis()  # noqa: SLF001 - as above
        async with shard._redis.pipeline(transaction=False) as pipeline:  # noqa: SLF001 - as above
            for name, message in messages:
                pipeline.publish(name, message)
            await pipeline.execute()
