"""Two chains of middleware in front of the same views: what a page needs, and what a call with a key needs.

A call that shows `Authorization` has no use for cookies, CSRF tokens, messages, static files or a policy for scripts;
half of its time would go there. Everything else, a call of a page with its cookie included, takes the whole chain.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, URLResolver, get_resolver, set_script_prefix

_API: Final = ("/api/v1/", "/v1/")
# Signing in works on sessions, whatever else is shown.
_SIGN_IN: Final = "/api/v1/auth/"
# JSON is no page: it may load nothing and be framed nowhere.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY",
}
# Answers that have no body by their status (RFC 9110, 8.6), and so no length.
_BODILESS: Final = frozenset({204, 304})
# Whether a thread's connections are too old, or broken, is asked so often, seconds.
_AGED_EVERY: Final = 1.0
# Addresses, whose views are remembered, and hosts, which were looked at and are ours.
_MOST_PATHS: Final = 2_048
_MOST_HOSTS: Final = 256

_aged: Final = threading.local()


class Application:
    """The WSGI application (PEP 3333) of both chains."""

    def __init__(self) -> None:
        self._pages = _with(settings.MIDDLEWARE, WSGIHandler)
        self._calls = _with(settings.CALL_MIDDLEWARE, CallHandler)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request by the chain that fits it."""
        path = environ["PATH_INFO"]
        is_call = "HTTP_AUTHORIZATION" in environ and path.startswith(_API)
        is_call = is_call and not path.startswith(_SIGN_IN)
        return (self._calls if is_call else self._pages)(environ, start)


class CallHandler(WSGIHandler):
    """Django's handler for calls: no signals, an address is resolved once, and a body is sent in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self._safety = {is_secure: _safety(is_secure=is_secure) for is_secure in (False, True)}

    def __call__(  # type: ignore[override]  # a body in one piece is a list
        self, environ: dict[str, Any], start: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a call."""
        if environ.get("SCRIPT_NAME"):
            set_script_prefix(get_script_name(environ))
        _close_aged()
        request = self.request_class(environ)
        response: Any = self.get_response(request)
        headers = {**self._safety[request.is_secure()], **dict(response.items())}
        body = None if response.streaming else response.content
        if body is not None and response.status_code not in _BODILESS:
            headers["Content-Length"] = str(len(body))
        cookies = [("Set-Cookie", one.OutputString()) for one in response.cookies.values()]
        start(f"{response.status_code} {response.reason_phrase}", [*headers.items(), *cookies])
        if body is None:
            # The server closes it when it has sent it.
            streamed: Iterable[bytes] = response
            return streamed
        # As `close` does, but for the signal that a request has ended: pages listen to it.
        for close in response._resource_closers:  # noqa: SLF001 - as above
            close()
        return [body]

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Find the view of an address. Raises Resolver404."""
        match = request.resolver_match = _resolved(get_resolver(), request.path_info)
        return match


class CallMiddleware:
    """Checks that a call is for us, and came by TLS where it must, as the whole chain does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._security = SecurityMiddleware(get_response)
        self._hosts: set[str] = set()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host = request.META.get("HTTP_HOST", "")
        if host not in self._hosts:
            # Raises DisallowedHost, which is answered 400.
            request.get_host()
            if len(self._hosts) >= _MOST_HOSTS:
                self._hosts.clear()
            if host:
                self._hosts.add(host)
        return self._security.process_request(request) or self.get_response(request)


def _safety(*, is_secure: bool) -> Mapping[str, str]:
    """Give what browsers are told with every answer to a call."""
    request: Any = HttpRequest()
    response = HttpResponse()
    request._get_scheme = lambda: "https" if is_secure else "http"  # noqa: SLF001 - as a server's request has it
    del response.headers["Content-Type"]
    SecurityMiddleware(lambda _: response).process_response(request, response)
    return {**_HEADERS, **dict(response.items())}


@lru_cache(_MOST_PATHS)
def _resolved(resolver: URLResolver, path: str) -> ResolverMatch:
    return resolver.resolve(path)


def _close_aged() -> None:
    """Close this thread's connections where they are too old, as Django does before each request."""
    now = time.monotonic()
    if now - getattr(_aged, "at", 0.0) >= _AGED_EVERY:
        close_old_connections()
        _aged.at = now


def _with(middleware: Sequence[str], handler: type[WSGIHandler]) -> WSGIHandler:
    """Make a handler of this chain: Django has one setting for all, read when a handler is made."""
    every = settings.MIDDLEWARE
    settings.MIDDLEWARE = middleware
    try:
        return handler()
    finally:
        settings.MIDDLEWARE = every
