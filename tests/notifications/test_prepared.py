"""Statements that are kept prepared: their places, and connections that broke meanwhile."""

from typing import Any

import psycopg
import pytest
from django.db import DataError, connection, transaction

from notifications import prepared

pytestmark = pytest.mark.django_db(transaction=True)


def test_names_and_places_are_numbered_once_each() -> None:
    assert prepared.run(
        "select %(a)s::int + %(a)s::int, %(b)s::text || '100 %%'", {"a": 2, "b": "x"}
    ) == [(4, "x100 %")]
    assert prepared.run("select %s::int, %s::text, 5 %% 3", [7, "y"]) == [(7, "y", 2)]


def test_a_value_that_looks_like_a_place_stays_a_value() -> None:
    assert prepared.run("select %(a)s::text", {"a": "%(b)s $1 %%"}) == [("%(b)s $1 %%",)]


def test_a_connection_that_broke_while_nobody_used_it_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared.run("select 1", [])
    with psycopg.connect(**_target()) as other:
        other.execute("select pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    monkeypatch.setattr(prepared, "_SURE_SECONDS", 0.0)
    # As a request begins.
    connection.health_check_enabled = True  # type: ignore[attr-defined]  # the stubs lack it
    connection.health_check_done = False  # type: ignore[attr-defined]  # as above
    try:
        assert prepared.run("select 2", []) == [(2,)]
    finally:
        connection.health_check_enabled = False  # type: ignore[attr-defined]  # as above


def test_it_is_part_of_the_transaction_that_is_open() -> None:
    with transaction.atomic():
        found = prepared.run("select pg_current_xact_id()::text, %s::int", [1])
        assert found == prepared.run("select pg_current_xact_id()::text, %s::int", [1])
    assert prepared.run("select pg_current_xact_id()::text, %s::int", [1]) != found


def test_rows_that_were_looked_at_stay_what_they_were() -> None:
    first, second = (prepared.look("select %s::int", [value]) for value in (1, 2))

    assert prepared.run("select %s::int", [3]) == [(3,)]
    assert [first.fetchall(), second.fetchall()] == [[(1,)], [(2,)]]


def test_a_statement_goes_on_after_it_failed() -> None:
    with pytest.raises(DataError):
        prepared.run("select 1 / %s::int", [0])

    assert prepared.run("select 1 / %s::int", [1]) == [(1,)]


def test_a_statement_runs_on_the_connection_of_the_moment() -> None:
    ((before,),) = prepared.run("select pg_backend_pid()", [])
    connection.close()

    assert prepared.run("select pg_backend_pid()", []) != [(before,)]


def _target() -> dict[str, Any]:
    info = connection.settings_dict
    return {
        "host": info["HOST"], "port": info["PORT"], "dbname": info["NAME"],
        "user": info["USER"], "password": info["PASSWORD"], "autocommit": True,
    }  # fmt: skip
