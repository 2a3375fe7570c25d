"""Connections to PostgreSQL as this engine keeps them."""

import time

import pytest
from django.db import connection


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
