"""Bounded HTTP towards backends: every wait ends, every answer has a size, nothing is believed unread."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import httpx

from jobs.backends.backend import BackendError, Picture, Site
from jobs.failures import FailureKind
from notifications import traces
from notifications.deadline import Network, within

# Seconds to connect, and for a whole call.
_CONNECT_SECONDS: Final = 3.0
_CALL_SECONDS: Final = 10.0
# What a whole call may take is watched by the network itself.
_WAITS: Final = {
    "timeout": httpx.Timeout(None, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS).as_dict()
}
# What is small needs no compression, and what is compressed cannot be bounded while it is read.
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "videogen"}
# What servers say of jobs is small; more is an attack or a mistake.
_LARGEST_BODY: Final = 2 * 2**20
# Encodings of one byte a letter that differ in few places.
_ONE_BYTE: Final = frozenset({"iso-8859-1", "latin-1", "latin1", "windows-1252"})
# What of an answer may be shown to operators.
_EXCERPT: Final = 300
# Nothing of the request can have arrived; the last four are addresses and keys that cannot be sent.
_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
    UnicodeError,
)

_gate: ContextVar[Callable[[], None] | None] = ContextVar("gate", default=None)


@contextmanager
def through(gate: Callable[[], None]) -> Iterator[None]:
    """Pass a gate before each request of this block; what it raises keeps the request from being sent."""
    token = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(token)


class NoAnswer(Exception):
    """No usable answer. `was_sent` says that the request may have reached the server."""

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


class TooLarge(NoAnswer):
    """An answer beyond the bound. The server is there, and this is the wrong question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer within its bounds."""

    status: int
    headers: httpx.Headers
    body: bytes
    # Servers repeat the key that they refuse; operators must not read it in logs.
    hidden: str = field(default="", repr=False)

    @property
    def is_ok(self) -> bool:
        """Tell 2xx from the rest."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110

    @property
    def is_redirect(self) -> bool:
        """Tell whether it sends elsewhere."""
        return 300 <= self.status < 400 and "location" in self.headers  # noqa: PLR2004 - RFC 9110

    def json(self) -> dict[str, Any] | None:
        """Give the JSON object that the body is; None when it is something else, whatever it is called."""
        found = self.any_json()
        return found if isinstance(found, dict) else None

    def any_json(self) -> Any:
        """Give whatever JSON the body is; None when it is none."""
        try:
            return json.loads(self.body)
        except UnicodeDecodeError:
            return self._json_of_one_byte_letters()
        except (ValueError, RecursionError):
            return None

    def _json_of_one_byte_letters(self) -> Any:
        """Read what says that it is not Unicode, which JSON should be; only where any bytes are a text."""
        declared = re.search(r"charset=\"?([\w-]+)", self.headers.get("content-type", ""))
        if not declared or declared[1].lower() not in _ONE_BYTE:
            return None
        try:
            return json.loads(self.body.decode("latin-1"))
        except (ValueError, RecursionError):
            return None

    def excerpt(self) -> str:
        """Give the status and the start of the body, printable, for operators."""
        text = self.body[: 4 * _EXCERPT].decode("utf-8", "replace")
        if self.hidden:
            text = text.replace(self.hidden, "[key]")
        text = text[:_EXCERPT]
        return f"HTTP {self.status}: {''.join(c if c.isprintable() else ' ' for c in text)}"


def call(
    site: Site,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    files: Mapping[str, Picture] | None = None,
    body: object = None,
    seconds: float = _CALL_SECONDS,
) -> Reply:
    """Send one request and read its answer; `path` is appended to the site's address, or is one of its own.

    `form` and `files` are sent as multipart/form-data, `body` as JSON. Redirects are not followed. After `seconds` the
    call ends, whatever the server does. Raises NoAnswer.
    """
    url = path if path.startswith(("http://", "https://")) else f"{site.url.rstrip('/')}{path}"
    sent = {**_HEADERS, **(headers or {})}
    content: dict[str, Any] = {}
    if form is not None or files:
        # A part without a file name is a text field, as the OpenAI SDK sends it.
        parts: list[tuple[str, Any]] = [(name, (None, text)) for name, text in (form or {}).items()]
        parts += [(name, (p.file_name, p.content, p.mime)) for name, p in (files or {}).items()]
        content["files"] = parts
    elif body is not None:
        content["json"] = body
    if gate := _gate.get():
        gate()
    try:
        with traces.part(f"backend {method}", sent, pool=site.pool), within(seconds):
            request = httpx.Request(method, url, headers=sent, extensions=_WAITS, **content)
            return _answered(request, site, keeps=method != "POST")
    except _NOT_SENT as error:
        raise NoAnswer(f"{type(error).__name__}: {error}", was_sent=False) from error
    except httpx.HTTPError as error:
        raise NoAnswer(f"{type(error).__name__}: {error}", was_sent=True) from error


def beginning(
    site: Site, url: str, *, headers: Mapping[str, str], most: int, seconds: float
) -> Reply:
    """Read at most the first bytes of a file, past the gate, and let go of the rest. Raises NoAnswer."""
    try:
        with within(seconds):
            sent = {**_HEADERS, **headers}
            request = httpx.Request("GET", url, headers=sent, extensions=_WAITS)
            return _answered(request, site, keeps=True, most=most)
    except httpx.HTTPError as error:
        raise NoAnswer(f"{type(error).__name__}: {error}", was_sent=True) from error
    except _NOT_SENT as error:
        raise NoAnswer(f"{type(error).__name__}: {error}", was_sent=False) from error


def unavailable(reason: str) -> BackendError:
    """Make the failure of a server that gave no usable answer."""
    return BackendError(
        FailureKind.BACKEND_UNAVAILABLE, "The GPU server did not answer.", detail=reason
    )


def _answered(request: httpx.Request, site: Site, *, keeps: bool, most: int | None = None) -> Reply:
    """Send one request and read its answer, past httpx's client, which costs as much as all the rest.

    So there are no cookies and no proxies, and no redirect is followed. Raises NoAnswer and httpx.HTTPError.
    """
    if request.url.username or request.url.password:
        named = httpx.BasicAuth(request.url.username, request.url.password)
        request = next(named.auth_flow(request))
    # One write for all parts of a form.
    request.read()
    with closing(_transport(keeps=keeps).handle_request(request)) as answer:
        return Reply(
            status=answer.status_code,
            headers=answer.headers,
            body=_read(answer, most=most),
            hidden=site.key,
        )


def _read(answer: httpx.Response, *, most: int | None = None) -> bytes:
    """Read a whole body, or its first `most` bytes. Raises NoAnswer."""
    read = bytearray()
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("The answer is compressed, which was not asked for.", was_sent=True)
    for piece in answer.iter_raw():
        read += piece
        if most is not None and len(read) >= most:
            return bytes(read[:most])
        if len(read) > _LARGEST_BODY:
            raise TooLarge(f"The answer is larger than {_LARGEST_BODY:,} bytes.", was_sent=True)
    return bytes(read)


@cache
def _transport(*, keeps: bool) -> httpx.HTTPTransport:
    """One for the process whose connections are kept, and one whose are not, for creates.

    A server may close a kept connection as a request is on its way. A question is asked again; of a create
    nobody would know whether it was taken.
    """
    # Shorter than the 5 s for which uvicorn keeps an idle connection, so that few are used as they close.
    limits = httpx.Limits(
        max_connections=64, max_keepalive_connections=32 if keeps else 0, keepalive_expiry=4
    )
    # Certificates named by the environment are for other programs.
    transport = httpx.HTTPTransport(trust_env=False, limits=limits)
    # httpx has no argument for it; `test_http.py` notices when the name changes.
    transport._pool._network_backend = Network()  # noqa: SLF001
    return transport
