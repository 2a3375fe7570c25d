"""Open pages in a process of its own: many sockets of many accounts, and when each event came to its page."""

import asyncio
import hashlib
import json
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Final
from urllib.parse import urlsplit

import psycopg

# Sockets that are being opened at the same time.
_AT_ONCE: Final = 32
_PATIENCE: Final = 60.0
# Of a frame's first two bytes (RFC 6455, 5.2).
_TEXT: Final = 0x1
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_OPENING: Final = (
    "GET /ws/feed HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Authorization: Bearer {key}\r\n\r\n"
)


class OpenPages:
    """Sockets that are open; each is known by the number of its key."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def came(self, count: int) -> dict[tuple[int, int], float]:
        """Wait until so many events came; give when each did in Unix seconds, by page and number in its feed."""
        self._pipe.send(count)
        if not self._pipe.poll(_PATIENCE):
            raise SystemExit("The pages did not hear every event.")
        found: dict[tuple[int, int], float] = self._pipe.recv()
        return found


@contextmanager
def opened(url: str, keys: Sequence[str]) -> Iterator[OpenPages]:
    """Open a socket for each key, and close them all afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < len(keys) * 2:
        raise SystemExit(f"{len(keys)} sockets need more open files than {hard}.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * len(keys))), hard))
    ours, theirs = get_context("spawn").Pipe()
    pages = get_context("spawn").Process(target=_pages, args=(url, list(keys), theirs))
    pages.start()
    try:
        if not ours.poll(_PATIENCE * 5) or ours.recv() != "open":
            raise SystemExit("The sockets could not be opened.")
        yield OpenPages(ours)
    finally:
        pages.terminate()
        pages.join()


def owners_of(
    connection: "psycopg.Connection[tuple[object, ...]]", keys: Sequence[str]
) -> list[str]:
    """Give the owners of keys, in their order."""
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    rows = connection.execute(
        "select digest, user_id::text from account_api_key where digest = any(%s)", [digests]
    ).fetchall()
    found = {bytes(digest): str(owner) for digest, owner in rows}  # type: ignore[call-overload]  # of bytes
    return [found[digest] for digest in digests]


def _pages(url: str, keys: list[str], pipe: Pipe) -> None:
    """Hold the sockets; say when they are open, and on a count, when as many events came."""
    asyncio.run(_Pages(url, keys, pipe).run())


class _Pages:
    def __init__(self, url: str, keys: list[str], pipe: Pipe) -> None:
        self._parts = urlsplit(url)
        self._keys = keys
        self._pipe = pipe
        self._came: dict[tuple[int, int], float] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        sockets = await asyncio.gather(*(self._open(key) for key in self._keys))
        listening = [
            asyncio.ensure_future(self._listen(number, reader, writer))
            for number, (reader, writer) in enumerate(sockets)
        ]
        self._pipe.send("open")
        wanted = await asyncio.to_thread(self._pipe.recv)
        while len(self._came) < wanted:  # noqa: ASYNC110 - an event for each message would be measured
            await asyncio.sleep(0.1)
        self._pipe.send(self._came)
        await asyncio.gather(*listening)

    async def _open(self, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._room:
            reader, writer = await asyncio.open_connection(
                self._parts.hostname, self._parts.port, limit=2**14
            )
            writer.write(_OPENING.format(host=self._parts.netloc, key=key).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise RuntimeError(head.decode())
            return reader, writer

    async def _listen(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            kind, body = await _frame(reader)
            at = time.time()
            if kind == _PING:
                # Masked, as a client's frames must be, with four zeros.
                writer.write(bytes([_FINAL | _PONG, _MASKED | len(body), 0, 0, 0, 0]) + body)
            elif kind == _TEXT:
                for event in json.loads(body).get("events", ()):
                    self._came[number, event["sequence"]] = at


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one whole frame of a server (RFC 6455, 5.2); give its kind and what it holds."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2))
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8))
    return first & 0x0F, await reader.readexactly(length)
