"""Statements that are kept prepared: their places, and connections that broke meanwhile."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

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


def test_callers_in_turns_share_a_session_beside_their_own_transactions() -> None:
    shared = prepared.Shared()
    asked = "select pg_backend_pid(), %s::int"
    try:
        with ThreadPoolExecutor(1) as other:
            first = shared.run(asked, [1])
            with transaction.atomic():
                second = shared.run("select pg_backend_pid(), %(n)s::int", {"n": 2})
            third = other.submit(shared.run, asked, [3]).result()
    finally:
        shared.close()

    own = prepared.run("select pg_backend_pid()", [])[0][0]
    assert [row[1] for (row,) in (first, second, third)] == [1, 2, 3]
    assert {row[0] for (row,) in (first, second, third)} == {first[0][0]} != {own}


def test_a_shared_connection_goes_on_after_it_broke_or_a_statement_failed() -> None:
    shared = prepared.Shared()
    try:
        with pytest.raises(DataError):
            shared.run("select 1 / %s::int", [0])
        assert shared.run("select 1 / %s::int", [1]) == [(1,)]
        ((pid,),) = shared.run("select pg_backend_pid()", [])
        prepared.run("select pg_terminate_backend(%s)", [pid])
        with pytest.raises(OperationalError):
            shared.run("select 1", [])
        assert shared.run("select pg_backend_pid()", []) != [(pid,)]
    finally:
        shared.close()


def test_a_shared_connection_of_age_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = prepared.Shared()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    try:
        found = {shared.run("select pg_backend_pid()", [])[0][0] for _ in range(3)}
    finally:
        shared.close()

    assert len(found) == 3


def test_a_child_does_not_use_its_parents_session() -> None:
    shared = prepared.Shared()
    try:
        parents = shared.run("select pg_backend_pid()", [])
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            try:
                connection.connection = None
                os.write(writer, str(shared.run("select pg_backend_pid()", [])).encode())
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        told = os.read(reader, 100).decode()
        os.close(reader)
        assert told
        assert told != str(parents)
        assert shared.run("select pg_backend_pid()", []) == parents
    finally:
        shared.close()


def test_somebody_who_looks_on_sees_what_a_shared_connection_is_told() -> None:
    shared = prepared.Shared()
    try:
        with CaptureQueriesContext(connection) as seen:
            shared.run("select 1", [])
    finally:
        shared.close()

    assert [one["sql"] for one in seen.captured_queries] == ["select 1"]
