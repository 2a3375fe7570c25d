"""The only way out to an address that a user gave.

The name is resolved here, once for each request; every address that it has must be public; the connection goes to
the address that was checked, with the name kept for TLS and Host. No redirect is followed, no proxy of the
environment used; the whole call has a deadline and its answer a size.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httpcore
from django.conf import settings

from notifications.deadline import Network, left, within
from notifications.public_addresses import is_allowed, is_public

# Seconds to resolve, to connect, and for the whole call.
RESOLVE_SECONDS: Final = 3.0
CONNECT_SECONDS: Final = 3.0
CALL_SECONDS: Final = 10.0
# Of these, for a body once its status is known.
_BODY_SECONDS: Final = 2.0
# What is read of an answer: a receiver has nothing to tell us.
LARGEST_ANSWER: Final = 64 * 1024
LONGEST_URL: Final = 2000
# Receivers of the public internet speak TLS on these.
_PORTS: Final = frozenset({443, 8443})
# Of a name's addresses, so many are tried.
_TRIED: Final = 3
# Lookups under way at once: the resolver has no deadline, so one that hangs keeps its thread for a while.
_LOOKUPS: Final = threading.BoundedSemaphore(64)


class Refused(Exception):
    """The address may not be connected to, for a reason that its owner can act on."""


class NoAnswer(Exception):
    """The address may be connected to, but gave no usable answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer within its bounds. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    # More came than was read.
    is_cut: bool


def check(url: str) -> None:
    """Refuse an address that we would not connect to now. Resolves its name. Raises Refused."""
    parts = _parsed(url)
    _addresses(str(parts.hostname), _port(parts), is_tls=parts.scheme == "https")


def post(
    url: str, body: bytes, *, headers: Mapping[str, str], seconds: float = CALL_SECONDS
) -> Reply:
    """Send one request. Raises Refused and NoAnswer."""
    parts = _parsed(url)
    timeouts = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS}
    request = _pool().stream(
        "POST",
        parts._replace(fragment="").geturl(),
        headers=list(headers.items()),
        content=body,
        extensions={"timeout": timeouts},
    )
    try:
        with within(seconds), request as answer:
            read, is_cut = _read(answer)
            return Reply(
                status=answer.status, headers=_plain(answer.headers), body=read, is_cut=is_cut
            )
    except httpcore.TimeoutException:
        raise NoAnswer(f"It did not answer within {seconds:g} seconds.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise NoAnswer(_said(error)) from error


def _parsed(url: str) -> SplitResult:
    if len(url) > LONGEST_URL:
        raise Refused(f"The address is longer than {LONGEST_URL:,} characters.")
    # Parsers disagree on these, so whoever checks and whoever connects could see two hosts.
    if not url.isascii() or not url.isprintable() or any(sign in url for sign in " \\\"'<>^`{|}"):
        raise Refused("The address has characters that do not belong into one.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused("The address cannot be read.") from None
    if parts.scheme not in {"https", "http"}:
        raise Refused("The address must begin with https://.")
    if not parts.hostname or "@" in parts.netloc or port == 0:
        raise Refused("The address needs a host name, and no user name or password.")
    if parts.scheme == "http" and port in _PORTS:
        raise Refused("The address must begin with https://.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _addresses(host: str, port: int, *, is_tls: bool) -> list[str]:
    """Resolve, and refuse unless every address may be connected to."""
    found = _resolve(host.rstrip("."), port)
    for address in found:
        if not is_allowed(address, settings.OUTBOUND_ALLOWED_NETWORKS):
            raise Refused("The address leads to a network that is not public.")
    if any(is_public(address) for address in found):
        if not is_tls:
            raise Refused("The address must begin with https://.")
        if port not in _PORTS:
            raise Refused(f"Port {port} is not used for webhooks; use 443 or 8443.")
    return found


def _resolve(host: str, port: int) -> list[str]:
    """Give every address of a name. Raises Refused where there is none, NoAnswer where nobody says."""
    answer: list[Any] = []
    fault: list[OSError | UnicodeError] = []

    def look() -> None:
        try:
            answer.extend(lookup(host, port))
        except (OSError, UnicodeError) as error:
            fault.append(error)
        finally:
            _LOOKUPS.release()

    if not _LOOKUPS.acquire(timeout=RESOLVE_SECONDS):
        raise NoAnswer("Too many names are being looked up.")
    thread = threading.Thread(target=look, name="lookup", daemon=True)
    thread.start()
    thread.join(RESOLVE_SECONDS)
    if thread.is_alive():
        raise NoAnswer("Its name could not be looked up in time.")
    found = list(dict.fromkeys(str(entry[4][0]) for entry in answer))
    if fault or not found:
        raise Refused("The host name of the address does not resolve.")
    # What getaddrinfo gives is a number again, or it is nothing that we can judge.
    for address in found:
        ipaddress.ip_address(address.partition("%")[0])
    return found


def lookup(host: str, port: int) -> list[Any]:
    """Ask the system's resolver, which also reads numbers in all their spellings."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class _CheckedNetwork(Network):
    """A network that connects to checked addresses only."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve, check, connect to what was checked, and look at where the connection really goes."""
        left(None, httpcore.ConnectTimeout)
        # Only ports of TLS pass for public addresses, so plain HTTP reaches named private networks alone.
        addresses = _addresses(host, port, is_tls=port in _PORTS)
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in addresses[:_TRIED]:
            try:
                stream = super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            peer = stream.get_extra_info("server_addr")
            if peer is None or str(peer[0]).partition("%")[0] != address.partition("%")[0]:
                stream.close()
                raise Refused("The connection did not go to the address that was checked.")
            return stream
        raise failure or httpcore.ConnectError("It has no address.")


@cache
def _pool() -> httpcore.ConnectionPool:
    # Kept connections would outlive the check of their address.
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(),
        max_connections=256,
        max_keepalive_connections=0,
        http2=False,
        network_backend=_CheckedNetwork(),
    )


def _read(answer: httpcore.Response) -> tuple[bytes, bool]:
    """Read the body within its bounds. The status has said what counts, so a body that breaks is only cut."""
    read = bytearray()
    try:
        with within(min(_BODY_SECONDS, left(None, httpcore.ReadTimeout))):
            for piece in answer.iter_stream():
                read += piece
                if len(read) > LARGEST_ANSWER:
                    return bytes(read[:LARGEST_ANSWER]), True
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return bytes(read), True
    return bytes(read), False


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _said(error: Exception) -> str:
    """Say what went wrong on the network, without numbers of errors."""
    match error:
        case httpcore.ConnectError() if isinstance(error.__context__, ssl.SSLError) or "SSL" in str(
            error
        ):
            return f"The TLS connection failed: {str(error)[:200]}"
        case httpcore.ConnectError():
            return "It does not accept connections."
        case httpcore.ProtocolError():
            return "What it answered is not HTTP."
        case _:
            return "The connection broke before it answered."
