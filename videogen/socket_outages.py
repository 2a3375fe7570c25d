"""Sockets and streams of the push process while the database or Redis is away: a code that says "come back"."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.exceptions import RedisError

from videogen import error_shapes, outages

logger = logging.getLogger(__name__)

# RFC 6455, registry of close codes: Try Again Later.
TRY_AGAIN_LATER: Final = 1013

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def is_outage(error: BaseException) -> bool:
    """Say whether what a socket needs was away."""
    return outages.is_one(error) or isinstance(error, RedisError | TimeoutError | ConnectionError)


def _note(error: BaseException) -> None:
    if outages.is_one(error):
        outages.note(error)
    else:
        logger.warning("redis_away", extra={"reason": type(error).__name__})


class Sockets:
    """Closes with 1013 what cannot be served now; browsers show a page no other reason."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one socket to its end."""
        is_open = is_over = False

        async def watched(message: Any) -> None:
            nonlocal is_open, is_over
            is_open = is_open or message["type"] == "websocket.accept"
            is_over = is_over or message["type"] == "websocket.close"
            await send(message)

        async def heard() -> Any:
            nonlocal is_over
            message = await receive()
            is_over = is_over or message["type"] == "websocket.disconnect"
            return message

        try:
            await self._application(scope, heard, watched)
        except Exception as error:  # whoever opened it is told either way
            if not is_outage(error):
                raise
            _note(error)
            if is_over:
                return
            if not is_open:
                await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})


class Requests:
    """Answers 503 where nothing was sent yet; a stream that has begun ends, and its client comes back."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request to its end."""
        has_begun = False

        async def watched(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._application(scope, receive, watched)
        except Exception as error:  # only an outage is answered; the rest is the server's to log
            if not is_outage(error):
                raise
            _note(error)
            if has_begun:
                await send({"type": "http.response.body", "body": b""})
                return
            answer = error_shapes.answer(outages.PROBLEM, path=scope["path"])
            headers = [(name.lower().encode(), value.encode()) for name, value in answer.items()]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": answer.content})
