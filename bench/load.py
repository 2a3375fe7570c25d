"""A generator of HTTP load in a process of its own, lean enough not to be what is measured.

Closed loop: each connection sends its next request when the last was answered. Open loop: requests are due at a rate,
whoever has been answered or not; their times count from when they were due, so that a stall is seen by all who it hit.
"""

import asyncio
import itertools
import secrets
import statistics
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

# Where a request has this, each sending has a number of its own.
NUMBER: Final = "{number}"
_PLACE: Final = NUMBER.encode()
_LENGTH: Final = b"content-length: "
# Open loop: requests that are due are looked for so often, seconds.
_TICK: Final = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send where: whole requests, in turns, over so many connections, for so many seconds."""

    url: str
    requests: Sequence[bytes]
    connections: int
    seconds: float
    # Requests a second of an open loop; None closes the loop.
    rate: float | None = None
    # Not counted: connections open, caches fill.
    warm_up: float = 1.0


@dataclass(slots=True, kw_only=True)
class Found:
    """What came back after the warm-up: how many by status, and how long each took in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Give answers a second."""
        return sum(self.statuses.values()) / self.seconds

    def quantile(self, share: float) -> float:
        """Give the time within which this share was answered, seconds."""
        return statistics.quantiles(self.took, n=1000)[round(share * 1000) - 1]


def run(*plans: Plan) -> list[Found]:
    """Run plans side by side, each in a process of its own."""
    with get_context("spawn").Pool(len(plans)) as pool:
        return pool.map(_run, plans)


def request(
    url: str,
    method: str,
    path: str,
    *,
    key: str,
    scheme: str = "Bearer",
    body: bytes = b"",
    **headers: str,
) -> bytes:
    """Write one request; underscores of header names become hyphens. NUMBER in a header is another number each time."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Authorization: {scheme} {key}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _run(plan: Plan) -> Found:
    return uvloop.run(_Load(plan).run())


class _Load:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found = Found()
        self.loop: Any = None
        self.requests: Iterator[bytes] = itertools.cycle(plan.requests)
        self.name = secrets.token_hex(4).encode()
        self.sent = 0
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self.counts_from = 0.0
        self.ends = 0.0

    async def run(self) -> Found:
        self.loop = asyncio.get_running_loop()
        parts = urlsplit(self.plan.url)
        made = [
            await self.loop.create_connection(lambda: _Connection(self), parts.hostname, parts.port)
            for _ in range(self.plan.connections)
        ]
        began = self.loop.time()
        self.counts_from = began + self.plan.warm_up
        self.ends = self.counts_from + self.plan.seconds
        self.found.seconds = self.plan.seconds
        if self.plan.rate is None:
            for _, connection in made:
                connection.send(self.loop.time())
            await asyncio.sleep(self.ends - self.loop.time())
        else:
            self.idle.extend(connection for _, connection in made)
            await self._by_rate(began, self.plan.rate)
        for transport, _ in made:
            transport.close()
        return self.found

    async def _by_rate(self, began: float, rate: float) -> None:
        sent = 0
        while (now := self.loop.time()) < self.ends:
            while began + sent / rate <= now:
                self.due.append(began + sent / rate)
                sent += 1
            while self.due and self.idle:
                self.idle.popleft().send(self.due.popleft())
            await asyncio.sleep(_TICK)
        # What was never sent took at least this long.
        self.found.took += [self.ends - due for due in self.due if due >= self.counts_from]

    def next(self) -> bytes:
        self.sent += 1
        return next(self.requests).replace(_PLACE, b"%s-%d" % (self.name, self.sent), 1)

    def answered(self, connection: "_Connection", *, status: int, since: float) -> None:
        now = self.loop.time()
        if self.counts_from <= now <= self.ends:
            self.found.statuses[status] += 1
            self.found.took.append(now - since)
        if self.plan.rate is None:
            if now < self.ends:
                connection.send(now)
        elif self.due:
            connection.send(self.due.popleft())
        else:
            self.idle.append(connection)


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self.load = load
        self.buffer = b""
        self.since = 0.0
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, since: float) -> None:
        self.since = since
        self.transport.write(self.load.next())

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        self.buffer = b""
        self.load.answered(self, status=int(head[9:12]), since=self.since)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.load.found.statuses[0] += 1
