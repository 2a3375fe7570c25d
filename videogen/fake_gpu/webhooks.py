"""Sends webhooks, again and again until somebody takes them, and loses or forges them when told to."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from videogen.fake_gpu.generations import Generation
from videogen.fake_gpu.journal import Journal
from videogen.fake_gpu.signing import Sign

# Pauses before a refused webhook is sent again, seconds.
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_COPIES: Final = 5
# Seconds for one attempt, and how many attempts run at once.
_PATIENCE: Final = 10.0
_AT_ONCE: Final = 64
_ACCEPTED: Final = range(200, 300)


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
        faults = generation.faults if last else frozenset()
        if "webhook_lost" in faults:
            self._journal.write("webhook_lost", generation.id, webhook_id=message_id)
            return
        copies = 1
        if "webhook_duplicated" in faults:
            copies = _COPIES
            self._journal.write(
                "webhook_duplicated", generation.id, webhook_id=message_id, copies=copies
            )
        wait = self.late_seconds if "webhook_late" in faults else 0.0
        forged = "webhook_forged" in faults
        for _ in range(copies):
            letter = self._deliver(
                generation.id, url, body, message_id=message_id, forged=forged, wait=wait
            )
            task = asyncio.create_task(letter)
            self._tasks[task] = generation.id
            task.add_done_callback(self._tasks.pop)

    async def settled(self, generation: Generation, *, patience: float) -> None:
        """Wait until no webhook of a generation is under way, at most so many seconds."""
        pending = [task for task, subject in self._tasks.items() if subject == generation.id]
        if pending:
            await asyncio.wait(pending, timeout=patience)

    def stop(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _deliver(
        self,
        subject: str,
        url: str,
        body: bytes,
        *,
        message_id: str,
        forged: bool,
        wait: float,
    ) -> None:
        if wait:
            self._journal.write("webhook_late", subject, webhook_id=message_id, seconds=wait)
            await asyncio.sleep(wait)
        for attempt, pause in enumerate((*_PAUSES, None), start=1):
            headers = self._sign(
                body, message_id=message_id, timestamp=int(time.time()), forged=forged
            )
            async with self._room:
                status = await _post(url, body, headers)
            self._journal.write(
                "webhook_sent",
                subject,
                webhook_id=message_id,
                url=url,
                attempt=attempt,
                # None when nobody answered.
                status=status,
                forged=forged,
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
