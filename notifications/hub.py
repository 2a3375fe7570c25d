"""Everybody who waits in this process: long polls and streams, woken by pushes and by one shared look.

A waiter costs memory only: no thread, no database connection, no subscription of its own. Pushes arrive over
one channel of the channel layer and are handed on by owner. They are hints: each second one statement reads
the feed heads of all owners who are waited for, and whoever missed something is woken; so that without Redis
everything is right, a second later. The same look ends waiters whose caller may not listen any more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from uuid import UUID

from channels.db import DatabaseSyncToAsync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from notifications import feed, live
from notifications.metrics import SOCKETS

logger = logging.getLogger(__name__)

Found = TypeVar("Found")

# Between two looks, seconds: how late a waiter may be without Redis, and how long a revoked key may listen.
LOOK_EVERY: Final = 1.0
# Messages that wait for a slow reader before it is told to read the feed instead.
_MOST_MESSAGES: Final = 200
# After Redis was away it is listened to again, seconds.
_LISTEN_AGAIN: Final = 1.0
# A Redis that does not take a subscription within this many seconds is left alone for now.
_PATIENCE: Final = 0.3
_threads: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="push")


def in_thread(ask: Callable[..., Found]) -> Callable[..., Awaitable[Found]]:
    """Ask the database from the event loop, on one of a few threads that all waiters share."""
    asked: Callable[..., Awaitable[Found]] = DatabaseSyncToAsync(
        ask, thread_sensitive=False, executor=_threads
    )
    return asked


class Waiter:
    """One who waits for an owner's events."""

    def __init__(self, owner_id: UUID, *, credential: Hashable) -> None:
        self.owner_id = owner_id
        self.credential = credential
        # The caller may not listen any more; the client has left; this process stops.
        self.is_refused = False
        self.is_gone = False
        self.is_dismissed = False
        self._messages: deque[Mapping[str, Any]] = deque()
        self._has_missed = False
        self._woken = asyncio.Event()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Hand a message over; to one that does not read, that there were too many."""
        if len(self._messages) >= _MOST_MESSAGES:
            self._messages.clear()
            self._has_missed = True
        self._messages.append(message)
        self._woken.set()

    def nudge(self) -> None:
        """Say that something may have been missed."""
        self._has_missed = True
        self._woken.set()

    def refuse(self) -> None:
        """Say that its caller may not listen any more."""
        self.is_refused = True
        self._woken.set()

    def leave(self) -> None:
        """Say that its client has left."""
        self.is_gone = True
        self._woken.set()

    def dismiss(self) -> None:
        """Say that it shall come back to another process."""
        self.is_dismissed = True
        self._woken.set()

    @property
    def is_over(self) -> bool:
        """Say whether nobody waits any more."""
        return self.is_gone or self.is_dismissed

    async def take(self, *, seconds: float) -> tuple[list[Mapping[str, Any]], bool]:
        """Wait so long at most; give the messages, and whether others may have been missed."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._woken.wait()
        except TimeoutError:
            return [], False
        self._woken.clear()
        messages, has_missed = list(self._messages), self._has_missed
        self._messages.clear()
        self._has_missed = False
        return messages, has_missed


class Hub:
    """The waiters of one process, by owner."""

    def __init__(self) -> None:
        self._waiters: dict[UUID, set[Waiter]] = {}
        self._heads: dict[UUID, int] = {}
        self._channel: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def join(self, owner_id: UUID, *, credential: Hashable) -> Waiter:
        """Begin to wait. Whoever joins before reading misses nothing."""
        waiter = Waiter(owner_id, credential=credential)
        if self._is_closed:
            waiter.dismiss()
        is_first = owner_id not in self._waiters
        self._waiters.setdefault(owner_id, set()).add(waiter)
        SOCKETS.labels(kind="program").inc()
        if not self._tasks:
            self._tasks = {asyncio.create_task(self._listen()), asyncio.create_task(self._look())}
        if is_first:
            await self._with_redis("group_add", owner_id)
        return waiter

    async def leave(self, waiter: Waiter) -> None:
        """Stop waiting."""
        others = self._waiters.get(waiter.owner_id, set())
        if waiter in others:
            others.discard(waiter)
            SOCKETS.labels(kind="program").dec()
        if not others and self._waiters.pop(waiter.owner_id, None) is not None:
            self._heads.pop(waiter.owner_id, None)
            await self._with_redis("group_discard", waiter.owner_id)

    def close(self) -> None:
        """Dismiss everybody who waits, and who comes from now on. Called on the event loop; may be repeated."""
        if self._is_closed:
            return
        self._is_closed = True
        for every in self._waiters.values():
            for waiter in every:
                waiter.dismiss()

    @property
    def count(self) -> int:
        """Give how many wait."""
        return sum(map(len, self._waiters.values()))

    async def _with_redis(self, call: str, owner_id: UUID) -> None:
        if self._channel is None:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await getattr(get_channel_layer(), call)(live.group_of(owner_id), self._channel)
        except Exception as error:  # noqa: BLE001 - redis-py's errors have no common base; the look is enough
            logger.warning("push_not_subscribed", extra={"reason": type(error).__name__})

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except Exception as error:  # noqa: BLE001 - redis-py's errors have no common base; the look is enough
                logger.warning("push_not_heard", extra={"reason": type(error).__name__})
                self._channel = None
            await asyncio.sleep(_LISTEN_AGAIN)

    async def _hear(self) -> None:
        layer = get_channel_layer()
        self._channel = await layer.new_channel()
        for owner_id in list(self._waiters):
            await self._with_redis("group_add", owner_id)
        while True:
            message = await layer.receive(self._channel)
            owner_id = UUID(message["owner"])
            if message["type"] == "feed.events":
                self._heads[owner_id] = max(self._heads.get(owner_id, 0), message["head"])
            for waiter in self._waiters.get(owner_id, ()):
                waiter.tell(message)

    async def _look(self) -> None:
        standing = import_string(settings.CALLER_STANDING)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            known = {owner_id: self._heads.get(owner_id, 0) for owner_id in self._waiters}
            if not known:
                continue
            credentials = [one.credential for every in self._waiters.values() for one in every]
            try:
                heads, refused = await in_thread(_state)(known, credentials, standing)
            except DatabaseError as error:
                logger.warning("push_cannot_look", extra={"reason": type(error).__name__})
                continue
            self._tell_late(heads)
            if not refused:
                continue
            for every in self._waiters.values():
                for waiter in every:
                    if waiter.credential in refused:
                        waiter.refuse()

    def _tell_late(self, heads: Mapping[UUID, int]) -> None:
        for owner_id, head in heads.items():
            if owner_id in self._waiters and head > self._heads.get(owner_id, 0):
                self._heads[owner_id] = head
                for waiter in self._waiters[owner_id]:
                    waiter.nudge()


def _state(
    known: Mapping[UUID, int],
    credentials: Collection[Hashable],
    refused: Callable[[Collection[Hashable]], set[Hashable]],
) -> tuple[dict[UUID, int], set[Hashable]]:
    return feed.moved(known), refused(credentials)


hub: Final = Hub()
