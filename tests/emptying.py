"""Emptying the database after a test that committed: only what holds rows, and back to what the migrations left.

Django's flush truncates every table and makes permissions anew, which takes longer than most tests.
"""

from functools import cache
from typing import Final

from django.db import connection, transaction
from django.test import TransactionTestCase

# Written by Django from the code alone; no test changes them.
_DJANGOS: Final = {"django_migrations", "django_content_type", "auth_permission"}
_TABLES: Final = """
select relname from pg_class
where relnamespace = 'public'::regnamespace and relkind = 'r' order by relname
"""
_LARGE: Final = """
select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    and pg_relation_size(oid) > 4 * 1024 * 1024
"""


def begin() -> None:
    """Remember the rows of a database that was just migrated, and empty it so from now on."""
    _migrated()
    TransactionTestCase._fixture_teardown = _empty  # type: ignore[attr-defined]


def _empty(_case: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_with_rows())
        names = cursor.fetchone()[0]
    with transaction.atomic(), connection.cursor() as cursor:
        # Guards and foreign keys are for rows that live on.
        cursor.execute("set local session_replication_role = replica")
        for name in {*names, *_migrated()}:
            cursor.execute(f'delete from "{name}"')
        # Dead rows of a test with many would slow every test after it.
        cursor.execute(_LARGE)
        for (name,) in cursor.fetchall():
            cursor.execute(f'truncate "{name}" cascade')
        for name, rows in _migrated().items():
            with cursor.copy(f'copy "{name}" from stdin') as copy:
                copy.write(rows)


@cache
def _migrated() -> dict[str, bytes]:
    """Give the rows of each table that has some when no test has run."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(_with_rows())
        for name in cursor.fetchone()[0]:
            with cursor.copy(f'copy "{name}" to stdout') as copy:
                found[name] = b"".join(copy)
    return found


@cache
def _with_rows() -> str:
    """Give the statement that names the tables that hold rows."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        names = [name for (name,) in cursor.fetchall() if name not in _DJANGOS]
    asked = ", ".join(f"(select '{name}' from \"{name}\" limit 1)" for name in names)
    return f"select array_remove(array[{asked}], null)"
