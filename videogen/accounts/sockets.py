"""Who gets a socket, and closing it when the credential that opened it has ended.

A key or token in a header counts before a cookie. Every open socket is looked at again each second, all of
a process in one query; the doorbell only makes that sooner, so a message that Redis loses is no hole.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.security.websocket import OriginValidator
from django.db import DatabaseError

from videogen.accounts import access, doorbell, keys, standing, tokens
from videogen.accounts.access import Access, By
from videogen.accounts.models import User

logger = logging.getLogger(__name__)

# Close codes: not signed in, or no more; the account is suspended, or the key may not read.
SIGNED_OUT: Final = 4401
REFUSED: Final = 4403
_EVERY: Final = 1.0

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class OriginUnlessHeader(OriginValidator):  # type: ignore[misc]  # channels has no types
    """Pages of other origins get no socket. Apps name no origin; what they show is no cookie."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Pass on, or refuse before the handshake."""
        if _shown(scope):
            return await self.application(scope, receive, send)
        return await super().__call__(scope, receive, send)


class Admission:
    """Lets live credentials in and shows them out when they end."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one socket to its end."""
        found = await database_sync_to_async(_access)(scope)
        try:
            if found is not None:
                access.check(found, path=scope["path"], method="GET")
        except (access.AccountSuspended, access.ScopeMissing):
            await _close(receive, send, REFUSED)
            return
        if found is None:
            await _close(receive, send, SIGNED_OUT)
            return
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _watch.add(found, ended)
        try:
            await self._run({**scope, "user": found.user}, receive, send, ended)
        finally:
            _watch.remove(ended)

    async def _run(
        self, scope: Scope, receive: Receive, send: Send, ended: "asyncio.Future[None]"
    ) -> None:
        async def receive_or_end() -> dict[str, Any]:
            coming: asyncio.Future[dict[str, Any]] = asyncio.ensure_future(receive())
            either: set[asyncio.Future[Any]] = {coming, ended}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    return coming.result()
            finally:
                coming.cancel()
            await send({"type": "websocket.close", "code": SIGNED_OUT})
            return {"type": "websocket.disconnect", "code": SIGNED_OUT}

        await self._application(scope, receive_or_end, send)


class _Watch:
    """The open sockets of this process and what opened them."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Future[None], Access] = {}
        self._look = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, found: Access, ended: "asyncio.Future[None]") -> None:
        self._open[ended] = found
        if not self._tasks or any(task.done() for task in self._tasks):
            self._look = asyncio.Event()
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._check()), loop.create_task(self._listen())]

    def remove(self, ended: "asyncio.Future[None]") -> None:
        self._open.pop(ended, None)

    async def _check(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), _EVERY)
            self._look.clear()
            opened = dict(self._open)
            if not opened:
                continue
            try:
                over = await database_sync_to_async(standing.refused)(list(opened.values()))
            except DatabaseError:
                # Nobody can say; what is open stays, and the next second asks again.
                logger.warning("sockets_not_checked", exc_info=True)
                continue
            if not over:
                continue
            for ended, found in opened.items():
                if found in over and not ended.done():
                    ended.set_result(None)

    async def _listen(self) -> None:
        while True:
            try:
                layer = get_channel_layer()
                channel = await layer.new_channel()
                await layer.group_add(doorbell.GROUP, channel)
                while True:
                    await layer.receive(channel)
                    self._look.set()
            except Exception:  # redis-py's errors have no common base with the socket's
                logger.warning("doorbell_not_heard", exc_info=True)
                await asyncio.sleep(_EVERY)


_watch: Final = _Watch()


def _access(scope: Scope) -> Access | None:
    shown = _shown(scope)
    if shown:
        kind, secret = shown
        return keys.access_of(secret) if kind is By.KEY else tokens.access_of(secret)
    user, session = scope.get("user"), scope.get("session")
    if user is None or session is None or not user.is_authenticated:
        return None
    # The lazy user of the cookie was read just now, off the event loop.
    person: User = user
    return Access(user=person, by=By.SESSION, name=session.session_key)


def _shown(scope: Scope) -> tuple[By, str] | None:
    """Give what the headers show; an empty secret is shown too, and opens nothing."""
    headers = {name.lower(): value for name, value in scope.get("headers", [])}
    if b"x-session-token" in headers:
        return By.SESSION, headers[b"x-session-token"].decode("latin-1").strip()
    scheme, _, secret = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return (By.KEY, secret.strip()) if scheme.lower() == "bearer" else None


async def _close(receive: Receive, send: Send, code: int) -> None:
    """Say why after the handshake: browsers do not show the page how a handshake failed."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})
