"""Bodies that a refusal left unread: read to their end, and thrown away.

A server that answers and closes while a client still sends resets the connection, and many clients then lose the
answer: they see a broken connection, and send everything again.
"""

import contextlib
from collections.abc import Callable
from typing import Final

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

# Longer bodies are not worth their time: such a client sees the connection close.
_LONGEST: Final = 64 * 2**20
_PIECE: Final = 64 * 1024


class UnreadBodyMiddleware:
    """Lets a client say all that it wants to say before it hears no."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(request, WSGIRequest) and _is_worth_reading(request):
            _read_to_the_end(request)
        return response


def _is_worth_reading(request: WSGIRequest) -> bool:
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit() and int(length[:20]) <= _LONGEST):
        return False
    # Who waits for "100 Continue" sends nothing before something is read.
    # Django has no other word for it.
    has_begun: bool = getattr(request, "_read_started", False)
    return has_begun or "HTTP_EXPECT" not in request.META


def _read_to_the_end(request: WSGIRequest) -> None:
    # The client may be gone, or the stream closed by whoever read it.
    with contextlib.suppress(UnreadablePostError, ValueError):
        while request.read(_PIECE):
            pass
