"""Applies the faults that strike a request or its answer, and writes each one down."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final

from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.generations import ENDED
from videogen.fake_gpu.http import Answer
from videogen.fake_gpu.server import REFUSED_CONTENT, Refused, Server

_RETRY_AFTER: Final = "2"
_HUGE: Final = 10 * 1024**3
_PIECE: Final = 64 * 1024
_DRIP_PAUSE: Final = 1.0
# Longer than any caller waits, seconds.
_SILENCE: Final = 600.0
# Longest that a create waits for its own early webhook, seconds.
_EARLY_PATIENCE: Final = 5.0


def before(server: Server, place: Place, subject: str) -> Answer | None:
    """Meet a request before it is looked at. Raises Refused, or gives an answer that is none."""
    for name in _before(server, place):
        if not server.faults.strikes(name):
            continue
        server.journal.write("fault", subject, name=name)
        if name == "drop_on_poll":
            return Answer(dropped=True)
        if name == "restart_on_poll":
            server.restart()
            continue
        raise _REFUSALS.get(name, _broken)(subject)
    _refuse_delete(server, place, subject)
    return None


async def after(server: Server, place: Place, answer: Answer) -> Answer:
    """Spoil a good answer, or give it as it is. Raises Refused."""
    if place is Place.SUBMIT:
        await _say_early(server, answer.subject)
        if server.faults.strikes("drop_after_accept"):
            server.journal.write("fault", answer.subject, name="drop_after_accept")
            return Answer(dropped=True)
        if server.faults.strikes("error_500_after_accept"):
            server.journal.write("fault", answer.subject, name="error_500_after_accept")
            raise _broken(answer.subject)
    name = server.faults.of_answer(place)
    if name is None:
        return answer
    server.journal.write("fault", answer.subject, name=name, place=place)
    if name == "mute":
        await asyncio.sleep(_SILENCE)
        return Answer(dropped=True)
    return _spoil(name, answer)


def _before(server: Server, place: Place) -> Iterator[str]:
    if place is Place.SUBMIT:
        yield from ("reject_402", "reject_429", "reject_content")
        yield from ("error_500_on_submit", "error_500")
    elif place is Place.POLL:
        yield from ("restart_on_poll", "drop_on_poll", "forget_on_poll")
        yield from ("error_500_on_poll", "error_500")
    elif place is Place.CONTENT:
        yield from ("error_500_on_content", "error_500")
    elif place is Place.DELETE:
        yield "forget_on_delete"
    elif place is Place.HEALTH:
        yield "unhealthy"


def _broken(_subject: str) -> Refused:
    return Refused(500, "The server had an error.", code="server_error")


def _unknown(subject: str) -> Refused:
    return Refused(404, f"Video with id '{subject}' not found.", code="not_found")


_REFUSALS: Final[Mapping[str, Callable[[str], Refused]]] = {
    "reject_402": lambda _: Refused(402, "Insufficient credit.", code="insufficient_credit"),
    "reject_429": lambda _: Refused(
        429,
        "Too many requests.",
        code="rate_limit_exceeded",
        headers={"Retry-After": _RETRY_AFTER},
    ),
    "reject_content": lambda _: Refused(
        REFUSED_CONTENT.status, REFUSED_CONTENT.message, code=REFUSED_CONTENT.code
    ),
    "forget_on_poll": _unknown,
    "forget_on_delete": _unknown,
    "unhealthy": lambda _: Refused(503, "The engine is dead.", code="unavailable"),
}


def _refuse_delete(server: Server, place: Place, subject: str) -> None:
    generation = server.gpu.known.get(subject)
    if (
        place is Place.DELETE
        and generation is not None
        and "delete_conflict" in generation.faults
        and generation.phase not in ENDED
    ):
        server.journal.write("fault", subject, name="delete_conflict")
        raise Refused(409, "The job cannot be stopped now.", code="conflict")


async def _say_early(server: Server, subject: str) -> None:
    generation = server.gpu.known.get(subject)
    if generation is not None and "webhook_early" in generation.faults:
        server.journal.write("fault", subject, name="webhook_early")
        server.gpu.end_now(generation)
        await server.webhooks.settled(generation, patience=_EARLY_PATIENCE)


def _spoil(name: str, answer: Answer) -> Answer:
    match name:
        case "garbage":
            body = answer.body[: len(answer.body) // 2]
            return Answer(status=answer.status, content_type=answer.content_type, body=body)
        case "huge":
            return Answer(content_type=answer.content_type, stream=_endless())
        case "drip":
            headers = {**answer.headers, "Content-Length": str(len(answer.body))}
            stream = _drops(answer.body)
            return Answer(
                status=answer.status,
                content_type=answer.content_type,
                headers=headers,
                stream=stream,
            )
        case "wrong_content_type":
            answer.content_type = "text/html; charset=utf-8"
            return answer
        case _:
            raise ValueError(name)


async def _endless() -> AsyncIterator[bytes]:
    yield b'{"id":"'
    piece = b"x" * _PIECE
    for _ in range(_HUGE // _PIECE):
        yield piece


async def _drops(body: bytes) -> AsyncIterator[bytes]:
    for at in range(len(body)):
        yield body[at : at + 1]
        await asyncio.sleep(_DRIP_PAUSE)
