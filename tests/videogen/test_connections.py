"""Connections to PostgreSQL as this engine keeps them."""

import time
from datetime import UTC, datetime

import pytest
from django.db import DataError, connection


@pytest.mark.django_db
def test_connections_that_are_opened_together_are_not_too_old_together() -> None:
    opened = []
    for _ in range(12):
        one = connection.copy()
        one.settings_dict = {**one.settings_dict, "CONN_MAX_AGE": 600}
        one.connect()
        opened.append(one)
    now = time.monotonic()
    ages = [one.close_at - now for one in opened if one.close_at is not None]
    for one in opened:
        one.close()

    assert len(ages) == len(opened)
    assert min(ages) > 290
    assert max(ages) <= 600
    assert max(ages) - min(ages) > 20


@pytest.mark.django_db
def test_a_connection_that_is_kept_for_ever_has_no_end() -> None:
    one = connection.copy()
    one.settings_dict = {**one.settings_dict, "CONN_MAX_AGE": None}
    one.connect()
    ends_at = one.close_at
    one.close()

    assert ends_at is None


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_moments_are_read_as_they_were_written_in_utc(zone: str) -> None:
    moments = [
        datetime(2026, 11, 22, 23, 10, 7, microsecond, tzinfo=UTC)
        for microsecond in (0, 1, 100_000, 123_450, 999_999)
    ]
    moments += [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)]
    with connection.cursor() as cursor:
        cursor.execute("select set_config('TimeZone', %s, true)", [zone])
        cursor.execute("select moment, array[moment] from unnest(%s) moment", [moments])
        found = cursor.fetchall()

    assert found == [(moment, [moment]) for moment in moments]
    assert {moment.tzinfo for moment, _ in found} == {UTC}


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(
    "text",
    ["infinity", "0044-03-15 BC", "11000-01-01", "10000-01-01 00:30+00", "0001-12-31 23:30+00 BC"],
)
def test_a_moment_out_of_range_is_an_error_of_the_data(text: str, zone: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select set_config('TimeZone', %s, true)", [zone])
        cursor.execute("select %s::timestamptz", [text])
        with pytest.raises(DataError):
            cursor.fetchone()
