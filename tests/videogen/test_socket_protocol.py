"""A client that never reads is let go; one that reads slowly is not."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from uvicorn.protocols.utils import ClientDisconnected
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from notifications.websocket import FeedConsumer
from videogen import socket_protocol

_FRAMES = 400
_FRAME = "x" * 65_536


class Flood:
    """An application that sends far more than any buffer holds, and says how each socket ended."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.error: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            for _ in range(_FRAMES):
                await send({"type": "websocket.send", "text": _FRAME})
        except OSError as error:
            self.error = error
        finally:
            self.ended.set()


@contextmanager
def _served(application: Any, **options: Any) -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(
            uvicorn.Config(
                application,
                ws="videogen.socket_protocol:SocketProtocol",
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                **options,
            )
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(20)


def _never_reads(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    return client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_protocol, "PATIENCE", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_client_that_never_reads_is_let_go() -> None:
    flood = Flood()
    with _served(flood) as port, _never_reads(port) as client:
        assert flood.ended.wait(20)

        with suppress(ConnectionResetError):
            while client.recv(1 << 20):
                pass
    assert flood.error is not None


@pytest.mark.usefixtures("impatient")
def test_a_client_that_reads_gets_everything() -> None:
    flood = Flood()
    got = 0
    with (
        _served(flood) as port,
        connect(f"ws://127.0.0.1:{port}", compression=None) as client,
        suppress(ConnectionClosed),
    ):
        while client.recv():
            got += 1

    assert (got, flood.error) == (_FRAMES, None)


def test_a_client_that_answers_no_ping_cannot_hold_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket_protocol, "PATIENCE", 3600.0)
    flood = Flood()
    with (
        _served(flood, ws_ping_interval=0.1, ws_ping_timeout=0.2) as port,
        _never_reads(port),
    ):
        assert flood.ended.wait(20)


def test_a_socket_that_was_let_go_leaves_its_group() -> None:
    asyncio.run(_let_go())


async def _let_go() -> None:
    async def is_gone(message: Any) -> None:
        raise ClientDisconnected

    layer: Any = get_channel_layer()
    consumer = FeedConsumer()
    consumer.channel_layer, consumer.base_send = layer, is_gone
    consumer.group, consumer.channel_name = "feed.gone", await layer.new_channel()
    consumer.owner_id = uuid4()
    await layer.group_add(consumer.group, consumer.channel_name)

    with pytest.raises(StopConsumer):
        await consumer.feed_events({"events": [], "head": 1})

    assert layer._get_layer().groups == {}
    await layer.flush()
