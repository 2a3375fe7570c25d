"""`python -m proofs.sinks.pages ADDRESS ORIGIN`: many pages' sockets in a process of its own.

Standard input begins with one JSON line, a list of pages: `{"name", "cookie", "habit"}`. A page's habit is `drops` (its
connection breaks at random), `idle` (its connection stays), `stops` (for a while it reads nothing, not even pings) or
`hoards` (it asks and asks, and reads nothing). All do what static/js/live.js does: catch up after every connection, at
every gap and every 30 s, and drop what they have seen. For each further line of input all that the pages show is
printed as one JSON line.
"""

import asyncio
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin

_CATCH_UP_EVERY: Final = 30.0
_LONGEST_PAUSE: Final = 10.0
# A connection of a page that drops lives so long on average, seconds.
_LIVES: Final = 40.0
# A page that reads nothing starts doing so after this, and looks up again after that, seconds.
_READS_FOR: Final = 5.0
_LOOKS_UP_AFTER: Final = 75.0
_HOARDED: Final = 5_000
_SMALL_BUFFER: Final = 4096


class Page:
    """What a page shows, and how it came to it."""

    def __init__(self, name: str, cookie: str, habit: str) -> None:
        self.name = name
        self._cookie = cookie
        self.habit = habit
        self.last = 0
        # Sequence numbers in the order in which they were applied, and the last event of each job.
        self.applied: list[int] = []
        self.jobs: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self.late_ms: list[float] = []
        self._tries = 0

    async def live(self, address: str, origin: str) -> None:
        """Stay connected, with the pauses of a page between tries."""
        while True:
            try:
                async with self._connection(address, origin) as connection:
                    self._tries = 0
                    self.counts["connections"] += 1
                    await self._follow(connection)
            except (OSError, WebSocketException, TimeoutError):
                self.counts["breaks"] += 1
            self._tries += 1
            pause = min(_LONGEST_PAUSE, 0.5 * 2 ** (self._tries - 1))
            await asyncio.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - chance, not a secret

    def _connection(self, address: str, origin: str) -> connect:
        more: dict[str, Any] = {}
        if self.habit == "hoards" and not self.counts["connections"]:
            parts = urlsplit(address)
            more["sock"] = socket.socket()
            more["sock"].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
            more["sock"].connect((parts.hostname, parts.port))
            more["compression"] = None
        return connect(
            address,
            origin=Origin(origin),
            additional_headers={"Cookie": self._cookie},
            ping_interval=None,
            open_timeout=20,
            close_timeout=1,
            **more,
        )

    async def _follow(self, connection: ClientConnection) -> None:
        await self._catch_up(connection)
        if self.habit in {"stops", "hoards"} and self.counts["connections"] == 1:
            await self._read_nothing(connection)
        ends = asyncio.get_running_loop().time() + (
            random.expovariate(1 / _LIVES) if self.habit == "drops" else float("inf")
        )
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if ends == float("inf") else ends):
                await self._read(connection)
        connection.transport.abort()

    async def _read_nothing(self, connection: ClientConnection) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_READS_FOR):
                await self._read(connection)
        connection.transport.pause_reading()
        began = time.monotonic()
        if self.habit == "hoards":
            # The server stops reading from one that does not read: sending ends there too.
            with suppress(TimeoutError, OSError, WebSocketException):
                async with asyncio.timeout(_LOOKS_UP_AFTER / 2):
                    for _ in range(_HOARDED):
                        await connection.send(json.dumps({"type": "catch_up", "after": 0}))
        await asyncio.sleep(max(0.0, _LOOKS_UP_AFTER - (time.monotonic() - began)))
        connection.transport.resume_reading()
        # What was in the buffers comes first; then the end, if the server let go.
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                try:
                    while True:
                        await connection.recv()
                except WebSocketException:
                    self.counts["let_go"] += 1
                    raise

    async def _read(self, connection: ClientConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(_CATCH_UP_EVERY):
                    text = await connection.recv()
            except TimeoutError:
                await self._catch_up(connection)
                continue
            message = json.loads(text)
            if self._apply(message, at=time.time()) or message.get("more"):
                await self._catch_up(connection)

    def _apply(self, message: Mapping[str, Any], *, at: float) -> bool:
        """Apply what is new; say whether something before it is missing."""
        events = message.get("events", [])
        for event in events:
            number = event["sequence"]
            if number <= self.last:
                self.counts["repeats"] += 1
                continue
            if number > self.last + 1:
                self.counts["gaps"] += 1
                return True
            self.last = number
            self.applied.append(number)
            self.jobs[event["subject_id"]] = event["name"]
            if len(events) == 1:
                recorded_at = datetime.fromisoformat(event["at"]).timestamp()
                self.late_ms.append((at - recorded_at) * 1000)
        return False

    async def _catch_up(self, connection: ClientConnection) -> None:
        self.counts["catch_ups"] += 1
        await connection.send(json.dumps({"type": "catch_up", "after": self.last}))

    def shown(self) -> dict[str, Any]:
        """Give what it shows, and how it came to it."""
        return {
            "name": self.name,
            "habit": self.habit,
            "applied": self.applied,
            "jobs": self.jobs,
            "counts": self.counts,
            "late_ms": self.late_ms,
        }


async def main() -> None:
    """Read the pages, let them live, and answer until the input ends."""
    address, origin = sys.argv[1:]
    lines = await asyncio.to_thread(sys.stdin.readline)
    pages = [Page(**one) for one in json.loads(lines)]
    living = [asyncio.create_task(page.live(address, origin)) for page in pages]
    while await asyncio.to_thread(sys.stdin.readline):
        if broken := [task for task in living if task.done()]:
            broken[0].result()
        print(json.dumps([page.shown() for page in pages]), flush=True)
    for task in living:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main())
