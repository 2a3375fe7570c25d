"""Statements that are run all the time: read once by us, parsed and planned once by the server for each connection."""

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# A place for a value, or a percent sign that stands for itself.
_SURE_SECONDS: Final = 1.0
_PLACES: Final = re.compile(r"%(?:\((\w+)\)s|(s)|(%))")

_Cursor = psycopg.Cursor[tuple[Any, ...]]


class _Used:
    """A connection as it was last used, with a cursor for each statement.

    A cursor knows how to write its statement's values and to read its columns.
    """

    __slots__ = ("at", "connection", "cursors")

    def __init__(self) -> None:
        self.connection: Any = None
        self.cursors: dict[bytes, _Cursor] = {}
        # On the monotonic clock.
        self.at = 0.0


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.used = _Used()


_of_thread = _OfThread()


class Shared:
    """A connection of this process for callers who take turns with it: what it has planned is planned for all of them.

    Nobody may call it while another does. Statements are transactions of their own.
    """

    def __init__(self) -> None:
        self._wrapper: Any = None
        self._used = _Used()
        # A child that used what it inherited would read its parent's answers.
        os.register_at_fork(after_in_child=self._forget)

    def run(
        self, statement: str, values: Mapping[str, Any] | Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """Run a statement as `prepared.run` does, beside whatever transaction the caller's thread is in."""
        return _rows(self._execute(statement, values, is_kept=True))

    def look(self, statement: str, values: Mapping[str, Any] | Sequence[Any]) -> _Cursor:
        """Run a statement as `prepared.look` does, beside whatever transaction the caller's thread is in."""
        return self._execute(statement, values, is_kept=False)

    def _execute(
        self, statement: str, values: Mapping[str, Any] | Sequence[Any], *, is_kept: bool
    ) -> _Cursor:
        own: Any = connections[DEFAULT_DB_ALIAS]
        if _is_watched(own):
            return _execute_on(own, _of_thread.used, statement, values, is_kept=is_kept)
        if self._wrapper is None:
            self._wrapper = own.copy()
            self._wrapper.inc_thread_sharing()
        elif self._is_doubtful():
            self._wrapper.close_if_unusable_or_obsolete()
        return _execute_on(self._wrapper, self._used, statement, values, is_kept=is_kept)

    def _is_doubtful(self) -> bool:
        """Tell whether it may be broken or is too old, by what is known without a question."""
        now, ends_at = time.monotonic(), self._wrapper.close_at
        is_old = ends_at is not None and now >= ends_at
        return is_old or self._wrapper.errors_occurred or now - self._used.at >= _SURE_SECONDS

    def close(self) -> None:
        """Close it; the next call opens another."""
        if self._wrapper is not None:
            self._wrapper.close()
        self._forget()

    def _forget(self) -> None:
        self._wrapper = None
        self._used = _Used()


def run(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement on this thread's connection, in its transaction where one is open; give its rows, if any.

    Places are `%s` or `%(name)s`, as everywhere. Each text is kept for ever: there may only be so many.
    """
    # Once: each look through Django's proxy costs as much as a row.
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return _rows(_execute_on(connection, _of_thread.used, statement, values, is_kept=True))


def look(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> _Cursor:
    """Run a statement as `run` does; give its result, of which no value was made yet."""
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return _execute_on(connection, _of_thread.used, statement, values, is_kept=False)


def _rows(cursor: _Cursor) -> list[tuple[Any, ...]]:
    # Asking for `description` would describe every column, which costs more than reading them.
    return cursor.fetchall() if cursor.rownumber is not None else []


def _is_watched(connection: Any) -> bool:
    """Tell whether somebody looks on, who must see every statement."""
    return bool(connection.queries_logged or connection.execute_wrappers)


def _execute_on(
    connection: Any,
    used: _Used,
    statement: str,
    values: Mapping[str, Any] | Sequence[Any],
    *,
    is_kept: bool,
) -> _Cursor:
    """Execute on a connection, with the cursor that is kept for the statement or with one of its own."""
    if _is_watched(connection):
        watched = connection.cursor()
        watched.execute(statement, values)
        seen: _Cursor = watched.cursor
        return seen
    text, names = _numbered(statement)
    given = [values[name] for name in names] if isinstance(values, Mapping) else values
    _make_sure(connection, used)
    raw = connection.connection
    with connection.wrap_database_errors:
        cursor = _kept(used, raw, text) if is_kept else psycopg.RawCursor(raw)
        return cursor.execute(text, given, prepare=True)


def _kept(used: _Used, connection: Any, text: bytes) -> _Cursor:
    if used.connection is not connection:
        used.connection, used.cursors = connection, {}
    found = used.cursors.get(text)
    if found is None:
        found = used.cursors[text] = psycopg.RawCursor(connection)
    return found


def _make_sure(connection: Any, used: _Used) -> None:
    """Have a connection that lives: asked only when it was not used for a moment.

    Django asks once a request, which is a round trip; what breaks in between is seen by the statement.
    """
    now = time.monotonic()
    if now - used.at < _SURE_SECONDS:
        connection.health_check_done = True
    else:
        connection.close_if_health_check_failed()
    connection.ensure_connection()
    used.at = now


@cache
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Write places as PostgreSQL does, $1, $2, ...; a name that comes again has the same number.

    Bytes, always the same ones: they are digested once, and psycopg keeps what it learned of a text by its identity.
    """
    names: list[str] = []
    count = 0

    def place(found: re.Match[str]) -> str:
        nonlocal count
        name, _, percent = found.groups()
        if percent:
            return "%"
        if name is None:
            count += 1
            return f"${count}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PLACES.sub(place, statement).encode(), tuple(names)
