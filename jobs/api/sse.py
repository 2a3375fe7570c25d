"""A stream of server-sent events (WHATWG HTML, 9.2): an owner's feed in order and without gaps, from any number on."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from django.http import Http404

from jobs.api import feeds, rows, shown
from jobs.states import TERMINAL, JobState
from notifications import feed
from notifications.hub import Waiter, in_thread

# Silence is broken this often, so that proxies keep the connection and clients know that it lives; seconds.
HEARTBEAT: Final = 15.0
# A client that takes nothing for so long is dropped, seconds.
_PATIENCE: Final = 10.0
# When a client should come back after the connection broke, milliseconds.
_RETRY: Final = 2_000
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # Proxies must not wait for more.
    (b"x-accel-buffering", b"no"),
]


class Stream:
    """One open stream: of all of an owner's events, or of one job's until it has ended."""

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
        waiter: Waiter,
        *,
        owner_id: UUID,
        job_id: UUID | None,
        after: int | None,
    ) -> None:
        self._send = send
        self._waiter = waiter
        self._owner_id = owner_id
        self._job_id = job_id
        self._last = after
        self._is_over = False

    async def run(self) -> None:
        """Write until the client leaves, the job ends, or the caller may not listen any more."""
        try:
            await self._put({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await self._begin()
            while not self._is_over:
                messages, has_missed = await self._waiter.take(seconds=HEARTBEAT)
                if self._waiter.is_gone:
                    return
                if self._waiter.is_refused:
                    await self._write("refused", {"code": "not_authenticated"})
                if self._waiter.is_refused or self._waiter.is_dismissed:
                    break
                await self._pass_all_on(messages, has_missed=has_missed)
            await self._put({"type": "http.response.body", "body": b""})
        except TimeoutError:
            # It does not read; it may come back with the last number it has.
            return

    async def _pass_all_on(
        self, messages: Iterable[Mapping[str, Any]], *, has_missed: bool
    ) -> None:
        if has_missed:
            await self._catch_up()
        elif not messages:
            await self._put_text(": still here\n\n")
        for message in messages:
            await self._pass_on(message)

    async def _begin(self) -> None:
        head = await in_thread(feed.head)(self._owner_id)
        await self._put_text(f"retry: {_RETRY}\n\n")
        if self._last is None:
            self._last = head
            await self._write("ready", {"head": head}, number=head)
        elif self._last > head:
            await self._reset(head)
        else:
            await self._catch_up()
        if self._job_id is not None:
            await self._show_job()

    async def _catch_up(self) -> None:
        more = True
        while more and not self._is_over:
            events, head, more = await in_thread(feed.after)(self._owner_id, sequence=self._last)
            if feeds.checked(events, head, after=self._last or 0)["reset"]:
                await self._reset(head)
                return
            await self._write_events(events)

    async def _reset(self, head: int) -> None:
        self._last = head
        await self._write("reset", {"head": head}, number=head)

    async def _pass_on(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "feed.progress":
            if self._job_id is None or message["job_id"] == str(self._job_id):
                shown = {name: message[name] for name in ("job_id", "attempt", "percent")}
                await self._write("progress", shown)
            return
        for event in message["events"]:
            if event["sequence"] > (self._last or 0) + 1:
                await self._catch_up()
            await self._write_events([event])

    async def _write_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            if event["sequence"] <= (self._last or 0):
                continue
            self._last = event["sequence"]
            if self._job_id is None:
                await self._write(event["name"], event, number=self._last)
            elif event["subject_id"] == str(self._job_id):
                await self._write(event["name"], event, number=self._last)
                await self._show_job()

    async def _show_job(self) -> None:
        try:
            row = await in_thread(rows.one)(self._job_id, owner_id=self._owner_id)
        except Http404:
            # Deleted by its owner: nothing follows.
            self._is_over = True
            return
        await self._write("job", await in_thread(shown.one)(row, owner_id=self._owner_id))
        if JobState(row["state"]) in TERMINAL:
            self._is_over = True

    async def _write(
        self, name: str, data: Mapping[str, Any], *, number: int | None = None
    ) -> None:
        line = f"id: {number}\n" if number is not None else ""
        await self._put_text(f"{line}event: {name}\ndata: {json.dumps(data)}\n\n")

    async def _put_text(self, text: str) -> None:
        await self._put({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _put(self, message: Mapping[str, Any]) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self._send(message)
