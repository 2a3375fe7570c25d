"""The channel layer in Redis, which nobody waits for longer than a moment.

Its connections have no timeouts of their own, because a reader of an idle group must wait for days; so a Redis that is
stopped would hold whoever joins or sends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer
from redis.backoff import NoBackoff
from redis.retry import Retry

# Seconds; a Redis that lives takes milliseconds.
_PATIENCE: Final = 1.0
# What the layer's settings call it that redis-py calls otherwise.
_URL: Final = {"address": "url"}

_Heard = Sequence[tuple[str, Callable[[], Mapping[str, Any]]]]


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

    def group_send_heard(self, messages: _Heard) -> None:
        """Send to those of the groups that have members, in order, without an event loop.

        The others' messages are not even made: whoever joins a group then reads what was before. Raises what redis-py
        does.
        """
        by_shard: dict[Any, list[tuple[str, Callable[[], Mapping[str, Any]]]]] = defaultdict(list)
        for group, make in messages:
            name = self._names._get_group_channel_name(group)  # noqa: SLF001 - as `group_send` names it
            by_shard[self._names._get_shard(name)].append((name, make))  # noqa: SLF001 - as above
        for shard, sent in by_shard.items():
            self._send_heard(self._servers[shard], sent)

    def _send_heard(self, server: redis.Redis, messages: _Heard) -> None:
        names = list({name for name, _ in messages})
        counts = server.pubsub_numsub(*names)
        heard = {name for name, (_, count) in zip(names, counts, strict=True) if count}
        if not heard:
            return
        pipeline = server.pipeline(transaction=False)
        for name, make in messages:
            if name in heard:
                pipeline.publish(name, self.serialize(make()))
        pipeline.execute()

    @cached_property
    def _names(self) -> RedisPubSubLoopLayer:
        """Give what knows names and servers; it is connected to none."""
        return RedisPubSubLoopLayer(*self._args, **self._kwargs, channel_layer=self)

    @cached_property
    def _servers(self) -> dict[Any, redis.Redis]:
        """Give connections for callers without an event loop. One try more: a connection may be an old one."""
        patience = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
        return {
            shard: redis.Redis.from_url(
                **{_URL.get(name, name): value for name, value in shard.host.items()} | patience,
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
                protocol=2,
            )
            for shard in self._names._shards  # noqa: SLF001 - as above
        }

    async def _soon(self, name: str, *args: Any, **kwargs: Any) -> Any:
        async with asyncio.timeout(_PATIENCE):
            return await getattr(self._get_layer(), name)(*args, **kwargs)
