"""Django's PostgreSQL, counted by django-prometheus, over connections that do not wait for a stopped server."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from functools import cache
from random import random
from types import SimpleNamespace
from typing import Any, Final, Self

import psycopg
from django_prometheus.db.backends.postgresql import base
from psycopg import errors
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.datetime import TimestamptzLoader
from psycopg.waiting import Ready

from videogen.postgresql import stalls
from videogen.postgresql.client import Client
from videogen.postgresql.stalls import DatabaseStalled, Server

# As psycopg's own: between two looks whether somebody pressed Ctrl-C, seconds.
_INTERVAL: Final = 0.1
_PORT: Final = 5432


class _Resumed(Iterator[Any]):
    """A generator of psycopg that was given up in the middle, to be waited for once more.

    A wait begins with next(), which would say None where such a generator expects to hear what is ready.
    """

    def __init__(self, gen: Generator[Any, Any, Any]) -> None:
        self.send = gen.send

    def __next__(self) -> Any:
        return self.send(Ready.NONE)


class Connection(psycopg.Connection[Any]):
    """A connection whose waits end with DatabaseStalled when the server is stopped."""

    _server: Server | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect. Raises DatabaseStalled, and psycopg.OperationalError."""
        server = stalls.of(kwargs.get("host") or "localhost", int(kwargs.get("port") or _PORT))
        server.check()
        try:
            made = super().connect(conninfo, **kwargs)
        except errors.ConnectionTimeout:
            server.hung()
        made._server = server  # noqa: SLF001 - its own
        return made

    def wait(self, gen: Any, interval: float = _INTERVAL, timeout: float | None = None) -> Any:
        """Wait for the server's answer, as long as it answers anybody."""
        server = self._server
        if server is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        server.check()
        waited: Any = gen
        while True:
            try:
                return super().wait(waited, interval, stalls.SUSPICIOUS)
            except errors._WaitTimeout:  # noqa: SLF001 - nothing public says it
                try:
                    server.suspect()
                except DatabaseStalled:
                    # In the middle of an answer it is of no use any more.
                    self.pgconn.finish()
                    raise
                waited = _Resumed(gen)


class _MomentLoader(Loader):
    """Reads a moment as PostgreSQL writes it by its DateStyle ISO; psycopg's way takes ten times as long."""

    # Django asks whether it is the zone of the connection.
    timezone = UTC

    def load(self, data: Any) -> datetime:
        """Read it. Raises psycopg.DataError for one that is out of Python's years."""
        text = bytes(data).decode()
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return self._unusual(data)

    def _unusual(self, data: Any) -> datetime:
        try:
            return TimestamptzLoader(self.oid, self.connection).load(data).astimezone(UTC)
        except OverflowError as error:
            raise psycopg.DataError("A moment is out of the years that Python knows.") from error


@cache
def _with_moments(adapters: AdaptersMap) -> AdaptersMap:
    found = AdaptersMap(adapters)
    found.register_loader("timestamptz", _MomentLoader)
    return found


class DatabaseWrapper(base.DatabaseWrapper):  # type: ignore[misc]  # the package has no types
    """The engine `videogen.postgresql`."""

    # Django's, of a connection that is kept: when it is too old, on the monotonic clock.
    close_at: float | None

    client_class = Client
    Database = SimpleNamespace(**{**vars(psycopg), "connect": Connection.connect})

    def get_connection_params(self) -> dict[str, Any]:
        """Give what to connect with."""
        found: dict[str, Any] = super().get_connection_params()
        if self.timezone is UTC:
            found["context"] = _with_moments(found["context"])
        return found

    def connect(self) -> None:
        """Connect, for half of CONN_MAX_AGE at least: those that were opened together are not all opened anew together.

        A new connection hashes a password 4,096 times and plans every statement again.
        """
        super().connect()
        if self.close_at is not None:
            spared = random() / 2  # noqa: S311 - spreads work, protects nothing
            self.close_at -= spared * self.settings_dict["CONN_MAX_AGE"]
