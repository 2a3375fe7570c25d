"""Pushing to open sockets, as a hint: never stored, never waited for longer than a moment.

What is not waited for goes out by one event loop on a thread of its own.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from uuid import UUID

import redis
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

# A Redis that does not answer within this many seconds gets no hint.
_PATIENCE: Final = 2.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def group_of(owner_id: UUID) -> str:
    """Name the channel-layer group of everything that this owner has open."""
    return f"feed.{owner_id.hex}"


def send(messages: Sequence[tuple[UUID, Callable[[], Mapping[str, Any]]]]) -> bool:
    """Push messages to their owners' sockets in order; say whether Redis took them in time.

    Each is made only if somebody listens. On the caller's thread.
    """
    try:
        get_channel_layer().group_send_heard(
            [(group_of(owner_id), partial(_owned, owner_id, make)) for owner_id, make in messages]
        )
    except redis.TimeoutError:
        logger.warning("push_timed_out")
        return False
    except (redis.RedisError, OSError) as error:
        logger.warning("push_failed", extra={"reason": type(error).__name__})
        return False
    except Exception:  # a lost hint must stop nobody
        logger.warning("push_failed", exc_info=True)
        return False
    return True


def _owned(owner_id: UUID, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    return {**make(), "owner": owner_id.hex}


def progress(owner_id: UUID, *, job_id: UUID, attempt: int, percent: int) -> None:
    """Push how far a running job is. Fire and forget: the next tick says it again."""
    message = {
        "type": "feed.progress",
        "job_id": str(job_id),
        "attempt": attempt,
        "percent": percent,
    }
    _send_soon(group_of(owner_id), {**message, "owner": owner_id.hex})


def ring(group: str) -> None:
    """Say "look" to the processes that listen to a group. Fire and forget: they look by themselves too."""
    _send_soon(group, {"type": "look"})


def _send_soon(group: str, message: Mapping[str, Any]) -> None:
    future = asyncio.run_coroutine_threadsafe(_send_to(group, message), _running_loop())
    future.add_done_callback(_forget)


def _forget(future: "asyncio.Future[None] | Any") -> None:
    if not future.cancelled() and (error := future.exception()):
        logger.info("hint_not_pushed", extra={"reason": type(error).__name__})


async def _send_to(group: str, message: Mapping[str, Any]) -> None:
    async with asyncio.timeout(_PATIENCE):
        await get_channel_layer().group_send(group, dict(message))


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop per process, made when first needed
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="live", daemon=True).start()
        return _loop
