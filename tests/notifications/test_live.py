"""Pushes to open sockets: only to who listens, in order, and never waited for long."""

import asyncio
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.layers import channel_layers, get_channel_layer

from notifications import live


def test_only_messages_that_somebody_hears_are_made_and_they_come_in_order() -> None:
    owner, nobody = uuid4(), uuid4()
    made: list[tuple[UUID, int]] = []

    def message(owner_id: UUID, number: int) -> dict[str, Any]:
        made.append((owner_id, number))
        return {"type": "feed.events", "head": number}

    def send() -> bool:
        return live.send(
            [
                (owner_id, lambda owner_id=owner_id, number=number: message(owner_id, number))  # type: ignore[misc]
                for number in range(20)
                for owner_id in (owner, nobody)
            ]
        )

    async def heard() -> list[Any]:
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(live.group_of(owner), channel)
        assert await asyncio.to_thread(send)
        found = [await asyncio.wait_for(layer.receive(channel), 10) for _ in range(20)]
        await layer.group_discard(live.group_of(owner), channel)
        await layer.flush()
        return found

    found = asyncio.run(heard())

    assert [one["head"] for one in found] == list(range(20))
    assert {one["owner"] for one in found} == {owner.hex}
    assert made == [(owner, number) for number in range(20)]


def test_a_server_that_is_away_is_no_error(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    layers = settings.CHANNEL_LAYERS
    away = {"hosts": [{"address": "redis://127.0.0.1:1", "socket_timeout": None}]}
    settings.CHANNEL_LAYERS = {"default": {**layers["default"], "CONFIG": away}}
    channel_layers.backends.clear()
    began = time.monotonic()

    assert not live.send([(uuid4(), dict)])

    channel_layers.backends.clear()
    assert time.monotonic() - began < 5
    assert "push_failed" in caplog.text
