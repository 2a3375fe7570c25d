"""Clients with HTTP of their own, byte by byte: whatever RFC 9112 allows makes the same video."""

import json
import socket
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys import client
from tests.openai.pictures import form
from tests.stack import RunningStack

_FIELDS = {"prompt": "A kite over a beach", "model": "preview", "seconds": "2", "size": "480x854"}
_JSON = json.dumps(_FIELDS).encode()
_FORM, _KIND = form(*_FIELDS.items())
_CONTINUE = b"HTTP/1.1 100 Continue\r\n"


def _head(stack: RunningStack, *lines: str, first: str = "POST /v1/videos HTTP/1.1") -> bytes:
    key = stack.account("enterprise")["api_key"]
    all_lines = (first, f"authorization: bearer {key}", "idempotency-key: plain", *lines)
    return "\r\n".join(all_lines).encode() + b"\r\n\r\n"


def _chunked(body: bytes, size: int, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    told = b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    return told + b"0\r\n" + trailer + b"\r\n"


def _answered(stack: RunningStack, *pieces: bytes, waits: bytes = b"") -> tuple[int, Any]:
    """Send pieces one after another, the second only after what the server says first; give status and JSON."""
    place = urlsplit(stack.url)
    with socket.create_connection((place.hostname, place.port), timeout=15) as connection:
        connection.sendall(pieces[0])
        if waits:
            heard = b""
            while not heard.endswith(b"\r\n\r\n"):
                heard += connection.recv(1)
            assert heard.startswith(waits), heard
        # A server that has answered need not hear the rest.
        with suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces[1:]:
                connection.sendall(piece)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, json.loads(answer.read())


def test_every_legal_way_of_sending_a_create_makes_the_same_video(
    running_stack: RunningStack,
) -> None:
    stack = running_stack
    host, length = f"host: {urlsplit(stack.url).netloc}", f"content-length: {len(_JSON)}"
    kind, pieces = "content-type: application/json", "transfer-encoding: chunked"
    target = f"POST {stack.url}/v1/videos HTTP/1.1"
    plain = _head(stack, host, kind, length)
    unmeasured = _head(stack, host, kind, pieces)
    form_head = _head(stack, host, f"content-type: {_KIND}", pieces)
    waiting = _head(stack, host, kind, length, "expect: 100-continue")

    answers = {
        "small letters": _answered(stack, plain + _JSON),
        "in two pieces": _answered(stack, plain + _JSON[:9], _JSON[9:]),
        "HTTP/1.0": _answered(
            stack, _head(stack, host, kind, length, first="POST /v1/videos HTTP/1.0") + _JSON
        ),
        "whole address": _answered(stack, _head(stack, host, kind, length, first=target) + _JSON),
        "100-continue": _answered(stack, waiting, _JSON, waits=_CONTINUE),
        "chunks": _answered(stack, unmeasured, _chunked(_JSON, 7)),
        "chunks with more": _answered(
            stack, unmeasured + _chunked(_JSON, 5, b";a=b", b"x-checked: yes\r\n")
        ),
        "form in chunks": _answered(stack, form_head, _chunked(_FORM, 64)),
    }

    assert {name: status for name, (status, _) in answers.items() if status != 200} == {}
    assert len({json.dumps(video) for _, video in answers.values()}) == 1
    (video_id,) = {video["id"] for _, video in answers.values()}
    assert (
        client.get(stack, f"{stack.url}/v1/videos/{video_id}").json["prompt"] == _FIELDS["prompt"]
    )


@pytest.mark.parametrize(("size", "status"), [(70_000, 413), (12_000_000, 413)])
def test_a_body_in_chunks_has_the_bound_of_all_bodies(
    running_stack: RunningStack, size: int, status: int
) -> None:
    host = f"host: {urlsplit(running_stack.url).netloc}"
    lines = (host, "content-type: application/json", "transfer-encoding: chunked")
    body = _chunked(b'{"prompt": "' + b"x" * size + b'"}', 60_000)

    found, told = _answered(running_stack, _head(running_stack, *lines), body)

    assert (found, told["error"]["code"]) == (status, "too_large")
