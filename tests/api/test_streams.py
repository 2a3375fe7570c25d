"""Waiters and streams: one that does not read is dropped, and one that was told too much reads the feed instead."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import connections

from jobs.api import sse
from jobs.api.sse import Stream
from notifications import hub, live
from notifications.hub import Hub, Waiter
from notifications.relay import Relay
from tests.factories import Person, ann, queued

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _threads_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no connection behind that would keep the test database from being dropped."""
    with ThreadPoolExecutor(1) as threads:
        monkeypatch.setattr(hub, "_threads", threads)
        yield
        threads.submit(connections.close_all).result()


def _relayed(owner: Person, count: int) -> None:
    for _ in range(count):
        queued(owner)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass


def _stream(
    owner: Person, waiter: Waiter, send: Callable[[Mapping[str, Any]], Any], *, after: int
) -> Stream:
    return Stream(send, waiter, owner_id=owner.id, job_id=None, after=after)


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_PATIENCE", 0.05)
    owner = ann()
    _relayed(owner, 1)
    sent: list[Mapping[str, Any]] = []

    async def stuck(message: Mapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) > 2:
            await asyncio.Event().wait()

    async def follow() -> None:
        waiter = Waiter(owner.id, credential="key")
        async with asyncio.timeout(5):
            await _stream(owner, waiter, stuck, after=0).run()

    asyncio.run(follow())

    assert len(sent) == 3


def test_a_waiter_that_was_told_too_much_reads_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_MOST_MESSAGES", 2)
    owner = ann()
    _relayed(owner, 5)
    numbers: list[int] = []

    async def follow() -> None:
        waiter = Waiter(owner.id, credential="key")

        async def send(message: Mapping[str, Any]) -> None:
            lines = message.get("body", b"").decode().splitlines()
            numbers.extend(int(line[4:]) for line in lines if line.startswith("id: "))
            if numbers and numbers[-1] >= 5:
                waiter.leave()

        stream = _stream(owner, waiter, send, after=2)
        for _ in range(9):
            waiter.tell({"type": "feed.events", "events": [], "head": 5})
        async with asyncio.timeout(5):
            await stream.run()

    asyncio.run(follow())

    assert numbers == [3, 4, 5]


def test_a_refused_waiter_is_told_and_its_stream_ends() -> None:
    owner = ann()
    sent: list[bytes] = []

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message.get("body", b""))

    async def follow() -> None:
        waiter = Waiter(owner.id, credential="key")
        waiter.refuse()
        async with asyncio.timeout(5):
            await _stream(owner, waiter, send, after=0).run()

    asyncio.run(follow())

    assert sent[-2:] == [b'event: refused\ndata: {"code": "not_authenticated"}\n\n', b""]


def test_whoever_waits_since_redis_was_away_is_pushed_to_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub, "_LISTEN_AGAIN", 0.05)
    owner = ann()
    layer = get_channel_layer()
    new_channel, asked = layer.new_channel, []

    async def away_at_first() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise ConnectionError
        return str(await new_channel())

    monkeypatch.setattr(layer, "new_channel", away_at_first)

    async def follow() -> list[Mapping[str, Any]]:
        waiter = await Hub().join(owner.id, credential="key")
        message = {"type": "feed.progress", "owner": owner.id.hex}
        async with asyncio.timeout(30):
            while True:
                with suppress(ConnectionError):
                    await layer.group_send(live.group_of(owner.id), message)
                found, _ = await waiter.take(seconds=0.1)
                if found:
                    return found

    assert asyncio.run(follow())[0]["type"] == "feed.progress"
    assert len(asked) == 2
