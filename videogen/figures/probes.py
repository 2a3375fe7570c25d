"""Whether what everything stands on answers, asked every two seconds, each by a thread of its own.

A server that is stopped takes connections and answers nothing: whoever asked it hangs, and nobody else.
"""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from urllib.request import Request, urlopen

from django.conf import settings
from django.db import DatabaseError, connection
from redis import Redis
from redis.exceptions import RedisError

from videogen.figures.figure import Figure

_EVERY: Final = 2.0
# Without an answer for so long it is down.
_PATIENCE: Final = 6.0
_HTTP_TIMEOUT: Final = 2.0
_REDIS_TIMEOUT: Final = 0.5
_FAILURES: Final = (DatabaseError, RedisError, OSError, http.client.HTTPException)


@dataclass(slots=True)
class Probe:
    """One question, asked again and again."""

    kind: str
    name: str
    ask: Callable[[], None]
    _answered_at: float | None = None
    _took: float | None = None
    _began: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Ask for ever."""
        while True:
            began = time.monotonic()
            with contextlib.suppress(*_FAILURES):
                self.ask()
                self._answered_at = time.monotonic()
                self._took = self._answered_at - began
            time.sleep(max(0.1, _EVERY - (time.monotonic() - began)))

    @property
    def is_known(self) -> bool:
        """Tell whether it answered yet, or had the time to."""
        return self._answered_at is not None or time.monotonic() - self._began > _PATIENCE

    @property
    def is_up(self) -> bool:
        """Tell whether it answered lately."""
        return self._answered_at is not None and time.monotonic() - self._answered_at < _PATIENCE

    @property
    def took(self) -> float | None:
        """Give how long the last answer took, seconds; None while there is none."""
        return self._took if self.is_up else None


class Probes:
    """All that is asked; what they say is read at each scrape."""

    def __init__(self) -> None:
        self._probes = [
            Probe("server", "postgresql", _ask_database),
            Probe("server", "redis", _ask_redis),
            *(Probe("process", name, _asking(url)) for name, url in _addresses()),
        ]

    def start(self) -> None:
        """Begin to ask."""
        for probe in self._probes:
            threading.Thread(target=probe.run, name=f"probe {probe.name}", daemon=True).start()

    def figures(self) -> list[Figure]:
        """Give what is known now."""
        known = [probe for probe in self._probes if probe.is_known]
        return [
            Figure(
                name="videogen_server_up",
                about="1 while PostgreSQL and Redis answer.",
                labels=("server",),
                rows=_rows(known, "server"),
            ),
            Figure(
                name="videogen_server_answer_seconds",
                about="How long PostgreSQL and Redis took for the least that can be asked.",
                labels=("server",),
                rows=[(probe.name, probe.took) for probe in known if probe.kind == "server"],
            ),
            Figure(
                name="videogen_process_up",
                about="1 while the processes named in PROBED_URLS answer.",
                labels=("process",),
                rows=_rows(known, "process"),
            ),
        ]


def _rows(probes: Sequence[Probe], kind: str) -> list[tuple[object, ...]]:
    return [(probe.name, int(probe.is_up)) for probe in probes if probe.kind == kind]


def _addresses() -> Iterator[tuple[str, str]]:
    for pair in settings.PROBED_URLS:
        name, _, url = pair.partition("=")
        yield name, url


def _ask_database() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
    except DatabaseError:
        connection.close()
        raise


@cache
def _redis() -> Redis:
    """Give the connection that is kept for asking."""
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
    )


def _ask_redis() -> None:
    _redis().ping()


def _asking(url: str) -> Callable[[], None]:
    # Behind a proxy that ends TLS, plain requests would be sent to https.
    request = Request(url, headers={"X-Forwarded-Proto": "https"})  # noqa: S310 - an operator's own

    def ask() -> None:
        with urlopen(request, timeout=_HTTP_TIMEOUT):  # noqa: S310 - an operator's own
            pass

    return ask
