"""Statements that are run all the time: read once by us, parsed and planned once by the server for each connection."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

# A place for a value, or a percent sign that stands for itself.
_SURE_SECONDS: Final = 1.0
_PLACES: Final = re.compile(r"%(?:\((\w+)\)s|(s)|(%))")

_Cursor = psycopg.Cursor[tuple[Any, ...]]

_used = threading.local()


def run(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement on this thread's connection, in its transaction where one is open; give its rows, if any.

    Places are `%s` or `%(name)s`, as everywhere. Each text is kept for ever: there may only be so many.
    """
    cursor = _execute(statement, values, cursor_of=_kept)
    # Asking for `description` would describe every column, which costs more than reading them.
    return cursor.fetchall() if cursor.rownumber is not None else []


def look(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> _Cursor:
    """Run a statement as `run` does; give its result, of which no value was made yet."""
    return _execute(
        statement, values, cursor_of=lambda connection, _: psycopg.RawCursor(connection)
    )


def _execute(
    statement: str,
    values: Mapping[str, Any] | Sequence[Any],
    *,
    cursor_of: Callable[[Any, bytes], _Cursor],
) -> _Cursor:
    # Once: each look through Django's proxy costs as much as a row.
    connection: Any = connections[DEFAULT_DB_ALIAS]
    if connection.queries_logged or connection.execute_wrappers:
        # Somebody looks on, who must see every statement.
        watched = connection.cursor()
        watched.execute(statement, values)
        seen: _Cursor = watched.cursor
        return seen
    text, names = _numbered(statement)
    given = [values[name] for name in names] if isinstance(values, Mapping) else values
    _make_sure(connection)
    with connection.wrap_database_errors:
        return cursor_of(connection.connection, text).execute(text, given, prepare=True)


def _kept(connection: Any, text: bytes) -> _Cursor:
    """Give this thread's cursor for a statement: it knows how to write its values and to read its columns."""
    if getattr(_used, "connection", None) is not connection:
        _used.connection, _used.cursors = connection, {}
    cursors: dict[bytes, _Cursor] = _used.cursors
    found = cursors.get(text)
    if found is None:
        found = cursors[text] = psycopg.RawCursor(connection)
    return found


def _make_sure(connection: Any) -> None:
    """Have a connection that lives: asked only when the thread has not used it for a moment.

    Django asks once a request, which is a round trip; what breaks in between is seen by the statement.
    """
    now = time.monotonic()
    if now - getattr(_used, "at", 0.0) < _SURE_SECONDS:
        connection.health_check_done = True
    else:
        connection.close_if_health_check_failed()
    connection.ensure_connection()
    _used.at = now


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
