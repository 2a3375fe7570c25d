"""Statements that are run all the time by few connections: the server plans them once for each."""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


def run(statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement on this thread's connection, in its transaction where one is open; give its rows."""
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor[tuple[Any, ...]](connection.connection) as cursor,
    ):
        cursor.execute(statement, values, prepare=True)
        return cursor.fetchall()
