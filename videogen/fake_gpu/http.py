"""HTTP/1.1 on asyncio streams, with what frameworks forbid: no answer, a slow one, an endless one."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

# Bytes of a request's head, and of its body: more than any reference image needs.
LARGEST_HEAD: Final = 64 * 1024
LARGEST_BODY: Final = 64 * 1024 * 1024
# An idle connection is kept this long, seconds.
_PATIENCE: Final = 120.0
_PHRASES: Final = {int(status): status.phrase for status in HTTPStatus}


class Unreadable(Exception):
    """A request that is not HTTP, or too large. `status` is the answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


@dataclass(slots=True, kw_only=True)
class Request:
    """One request; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body. Raises ValueError."""
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Answer:
    """One answer. A `stream` replaces the body; without a Content-Length it is sent in chunks."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None
    # Close the connection instead of answering.
    dropped: bool = False
    # The generation that the answer is about.
    subject: str = ""


def json_answer(
    data: Any, status: int = 200, *, subject: str = "", headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with JSON."""
    return Answer(
        status=status, body=json.dumps(data).encode(), subject=subject, headers=dict(headers or {})
    )


Respond = Callable[[Request], Awaitable[Answer]]


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond
) -> None:
    """Answer the requests of one connection until either side ends it."""
    try:
        while (request := await _read(reader, writer)) is not None:
            answer = await respond(request)
            if answer.dropped:
                break
            keep = request.headers.get("connection", "").lower() != "close"
            await _write(writer, answer, keep=keep, bodyless=request.method == "HEAD")
            if not keep:
                break
    except Unreadable as refusal:
        await _write(writer, Answer(status=refusal.status), keep=False, bodyless=False)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        async with asyncio.timeout(_PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Unreadable(431) from None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
    except ValueError:
        raise Unreadable(400) from None
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(
        method=method,
        path=unquote(parts.path),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)) if parts.query else {},
        headers=headers,
        body=await _read_body(reader, headers),
    )


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise Unreadable(400)
    if int(length) > LARGEST_BODY:
        raise Unreadable(413)
    return await reader.readexactly(int(length)) if length != "0" else b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int((await reader.readline()).split(b";")[0], 16)
        except ValueError:
            raise Unreadable(400) from None
        if size < 0:
            raise Unreadable(400)
        if len(body) + size > LARGEST_BODY:
            raise Unreadable(413)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return bytes(body)


async def _write(
    writer: asyncio.StreamWriter, answer: Answer, *, keep: bool, bodyless: bool
) -> None:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    chunked = answer.stream is not None and "Content-Length" not in headers
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif answer.stream is None:
        headers["Content-Length"] = str(len(answer.body))
    if not keep:
        headers["Connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}\r\n{lines}\r\n".encode()
    if answer.stream is None or bodyless:
        writer.write(head if bodyless else head + answer.body)
    else:
        writer.write(head)
        async for piece in answer.stream:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
    await writer.drain()
