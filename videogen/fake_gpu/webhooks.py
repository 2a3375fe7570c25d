"""Sends webhooks, again and again until somebody takes them, and spoils them as the faults say."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from videogen.fake_gpu.generations import Generation
from videogen.fake_gpu.journal import Journal
from videogen.fake_gpu.signing import Sign

# Pauses before a refused webhook is sent again, seconds.
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_COPIES: Final = 5
# Older than any receiver of Standard Webhooks takes, seconds.
_STALE: Final = 600
# Seconds for one attempt, and how many attempts run at once.
_PATIENCE: Final = 10.0
_AT_ONCE: Final = 64
_ACCEPTED: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """One webhook, and the faults that it meets."""

    subject: str
    url: str
    body: bytes
    message_id: str
    faults: frozenset[str]


class Webhooks:
    """The letters of one server."""

    def __init__(self, journal: Journal, sign: Sign, *, late_seconds: float) -> None:
        self.late_seconds = late_seconds
        self._journal = journal
        self._sign = sign
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._room = asyncio.Semaphore(_AT_ONCE)

    def send(
        self, generation: Generation, *, url: str, body: bytes, message_id: str, last: bool
    ) -> None:
        """Send in the background. Only the last one of a generation, its end, meets faults."""
        letter = _Letter(
            subject=generation.id,
            url=url,
            body=body,
            message_id=message_id,
            faults=generation.faults if last else frozenset(),
        )
        if "webhook_lost" in letter.faults:
            self._journal.write("webhook_lost", letter.subject, webhook_id=message_id)
            return
        if not last and "webhook_reordered" in generation.faults:
            self._start(letter, self._deliver_after_the_end(letter, generation))
            return
        copies = 1
        if "webhook_duplicated" in letter.faults:
            copies = _COPIES
            self._journal.write(
                "webhook_duplicated", letter.subject, webhook_id=message_id, copies=copies
            )
        for _ in range(copies):
            self._start(letter, self._deliver(letter))

    async def settled(self, generation: Generation, *, patience: float) -> None:
        """Wait until no webhook of a generation is under way, at most so many seconds."""
        this = asyncio.current_task()
        pending = [
            task
            for task, subject in self._tasks.items()
            if subject == generation.id and task is not this
        ]
        if pending:
            await asyncio.wait(pending, timeout=patience)

    def stop(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()

    def _start(self, letter: _Letter, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivery)
        self._tasks[task] = letter.subject
        task.add_done_callback(self._tasks.pop)

    async def _deliver_after_the_end(self, letter: _Letter, generation: Generation) -> None:
        await generation.ended.wait()
        await self.settled(generation, patience=_PATIENCE)
        self._journal.write("webhook_reordered", letter.subject, webhook_id=letter.message_id)
        await self._deliver(letter)

    async def _deliver(self, letter: _Letter) -> None:
        subject, message_id = letter.subject, letter.message_id
        if "webhook_late" in letter.faults:
            wait = self.late_seconds
            self._journal.write("webhook_late", subject, webhook_id=message_id, seconds=wait)
            await asyncio.sleep(wait)
        forged, age = "webhook_forged" in letter.faults, 0
        if "webhook_stale" in letter.faults:
            age = _STALE
        for attempt, pause in enumerate((*_PAUSES, None), start=1):
            signed_at = int(time.time()) - age
            headers = self._sign(
                letter.body, message_id=message_id, timestamp=signed_at, forged=forged
            )
            async with self._room:
                status = await _post(letter.url, letter.body, headers)
            self._journal.write(
                "webhook_sent",
                subject,
                webhook_id=message_id,
                url=letter.url,
                attempt=attempt,
                # None when nobody answered.
                status=status,
                forged=forged,
                signed_at=signed_at,
            )
            if status in _ACCEPTED or pause is None:
                return
            await asyncio.sleep(pause)


async def _post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """Post JSON and give the status, or None when there was no answer."""
    try:
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = {
            "Host": parts.netloc,
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls)
            try:
                writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
                await writer.drain()
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError, IndexError):
        return None
