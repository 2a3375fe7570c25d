"""A clock that a test sets: what the statements call now() on the test's own connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from notifications import prepared

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
# Names in front of pg_catalog are found first.
_CLOCK = """
create schema clock;
create function clock.now() returns timestamptz language sql stable as
$$ select current_setting('test.now')::timestamptz $$;
set search_path = clock, pg_catalog, public;
"""


@contextmanager
def standing() -> Iterator[None]:
    """Let the time stand at its beginning until it is set."""
    with connection.cursor() as cursor:
        cursor.execute(_CLOCK)
    show(0.0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Connections that callers share have the true time.
            patch.setattr(prepared.Shared, "run", lambda _, *sent: prepared.run(*sent))
            patch.setattr(prepared.Shared, "look", lambda _, *sent: prepared.look(*sent))
            yield
    finally:
        # A new connection has no such clock, also after a test that was stopped inside a statement.
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("drop schema clock cascade")


def show(seconds: float) -> None:
    """Set the time, so many seconds after the beginning."""
    moment = (BEGAN + timedelta(seconds=seconds)).isoformat()
    with connection.cursor() as cursor:
        cursor.execute("select set_config('test.now', %s, false)", [moment])
