"""A deadline for everything that one HTTP call does on the network, headers that drip in included.

httpx bounds each wait, not their sum: a server that sends a byte every few seconds is never too slow.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any

import httpcore

_ends_at: ContextVar[float] = ContextVar("ends_at")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let the calls of this block end after so many seconds in all, or with the block around it."""
    token = _ends_at.set(min(time.monotonic() + seconds, _ends_at.get(inf)))
    try:
        yield
    finally:
        _ends_at.reset(token)


class Network(httpcore.NetworkBackend):
    """The network of httpcore, where no wait goes beyond the deadline of its call."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect. Raises httpcore.ConnectTimeout."""
        remaining = left(timeout, httpcore.ConnectTimeout)
        return _Stream(
            self._network.connect_tcp(host, port, remaining, local_address, socket_options)
        )


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        remaining = left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, remaining))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def left(timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float:
    """Give the seconds that a wait may take, `timeout` at most. Raises `too_late` when none are left."""
    remaining = _ends_at.get() - time.monotonic()
    if remaining <= 0:
        raise too_late("The call did not end in time.")
    return remaining if timeout is None else min(timeout, remaining)
