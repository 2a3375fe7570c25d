"""Two chains of middleware in front of the same views: what a page needs, and what a call with a key needs.

A call that shows `Authorization` has no use for cookies, CSRF tokens, messages, static files or a policy for scripts;
half of its time would go there. Everything else, a call of a page with its cookie included, takes the whole chain.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse

_API: Final = ("/api/v1/", "/v1/")
# Signing in works on sessions, whatever else is shown.
_SIGN_IN: Final = "/api/v1/auth/"
# JSON is no page: it may load nothing and be framed nowhere.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
}


class Application:
    """The WSGI application (PEP 3333) of both chains."""

    def __init__(self) -> None:
        self._pages = _with(settings.MIDDLEWARE)
        self._calls = _with(settings.CALL_MIDDLEWARE)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request by the chain that fits it."""
        path = environ["PATH_INFO"]
        is_call = "HTTP_AUTHORIZATION" in environ and path.startswith(_API)
        is_call = is_call and not path.startswith(_SIGN_IN)
        return (self._calls if is_call else self._pages)(environ, start)


class CallMiddleware:
    """Checks a call's host, and says length and policy of its answer, as the whole chain does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Raises DisallowedHost, which is answered 400.
        request.get_host()
        response = self.get_response(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if not response.streaming:
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _with(middleware: Sequence[str]) -> WSGIHandler:
    """Make a handler of this chain: Django has one setting for all, read when a handler is made."""
    every = settings.MIDDLEWARE
    settings.MIDDLEWARE = middleware
    try:
        return WSGIHandler()
    finally:
        settings.MIDDLEWARE = every
