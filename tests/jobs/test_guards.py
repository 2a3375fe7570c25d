"""What the database itself refuses, whatever the code does."""

from typing import Any, cast
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from tests.factories import ann, queued, succeeded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "statement",
    [
        "update job set state = 'running', finished_at = null, video_url = '' where id = %s",
        "update job set attempt = 0 where id = %s",
        "delete from job_transition where job_id = %s",
        "update ledger_entry set balance_delta = 0 where job_id = %s",
        (
            "insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta,"
            " house_delta, reason, reference)"
            " select owner_id, id, 'release', 1, -1, 0, 'again', '' from job where id = %s"
        ),
        (
            "insert into ledger_entry (account_id, kind, balance_delta, held_delta,"
            " house_delta, reason, reference)"
            " select owner_id, 'grant', 5, 0, 0, 'from nowhere', '1' from job where id = %s"
        ),
    ],
)
def test_the_database_refuses_what_code_must_never_do(statement: str) -> None:
    job = succeeded(ann())

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [job.id])


JOBS: dict[str, dict[str, Any]] = {
    "state_known": {"state": "lost"},
    "finished_iff_terminal": {"state": "failed"},
    "video_iff_succeeded": {"video_url": "https://example.com/a.mp4"},
    "holds_slot_of_pool": {"state": "dispatched", "attempt": 1, "dispatched_at": "2026-01-01"},
    "running_has_started": {
        "state": "running", "attempt": 1, "dispatched_at": "2026-01-01", "pool_id": "p",
    },
    "hidden_after_end": {"hidden_at": "2026-01-01"},
    "charge_within_reserve": {"credits_charged": 5},
}  # fmt: skip
ENTRIES: dict[str, dict[str, Any]] = {
    "kind_known": {"kind": "gift"},
    "double_entry": {"house_delta": 1},
    "job_unless_grant": {"job_id": None},
    "legs_of_kind": {"kind": "release"},
}


@pytest.mark.parametrize("rule", JOBS)
def test_what_of_a_job_does_not_fit_together_is_refused_by_name(rule: str) -> None:
    sound = {
        "state": "queued", "attempt": 0, "dispatched_at": None, "started_at": None,
        "finished_at": None, "hidden_at": None, "pool_id": None, "video_url": "",
        "credits_reserved": 4, "credits_charged": 0,
    }  # fmt: skip
    types = (
        "varchar", "smallint", *["timestamptz"] * 4, "varchar", "text", "integer", "integer",
    )  # fmt: skip

    assert _broken("job_breaks", sound, types) is None
    assert _broken("job_breaks", sound | JOBS[rule], types) == rule
    _refused("job", JOBS[rule], "where id = %s")


@pytest.mark.parametrize("rule", ENTRIES)
def test_what_of_an_entry_does_not_fit_together_is_refused_by_name(rule: str) -> None:
    sound = {
        "kind": "reserve", "job_id": uuid4(), "balance_delta": -4, "held_delta": 4,
        "house_delta": 0,
    }  # fmt: skip
    types = ("varchar", "uuid", "bigint", "bigint", "bigint")

    assert _broken("ledger_breaks", sound, types) is None
    assert _broken("ledger_breaks", sound | ENTRIES[rule], types) == rule
    _refused("ledger_entry", ENTRIES[rule], "where job_id = %s")


def test_a_move_to_a_state_that_there_is_not_is_refused() -> None:
    _refused("job_transition", {"to_state": "lost"}, "where job_id = %s")


def _broken(function: str, values: dict[str, Any], types: tuple[str, ...]) -> str | None:
    given = ", ".join(f"%s::{name}" for name in types)
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}({given})", list(values.values()))
        (found,) = cursor.fetchone()
    return cast("str | None", found)


def _refused(table: str, change: dict[str, Any], where: str) -> None:
    """Change the rows of a job that waits, without the guards of history."""
    job_id = queued(ann())
    changes = ", ".join(f"{name} = %s" for name in change)

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"alter table {table} disable trigger user")
        with pytest.raises(IntegrityError, match="breaks_nothing"):
            cursor.execute(
                f"update {table} set {changes} {where}",  # noqa: S608 - names of this file
                [*change.values(), job_id],
            )
        transaction.set_rollback(True)
