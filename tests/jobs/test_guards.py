"""What the database itself refuses, whatever the code does."""

from typing import Any, cast
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from jobs.models.breaks import GuardedIntegerField, GuardedSmallIntegerField
from scheduler import dispatch
from tests.factories import ann, queued, succeeded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "statement",
    [
        "update job set state = 'running', finished_at = null, video_url = '' where id = %s",
        "update job set attempt = 0 where id = %s",
        "delete from job where id = %s",
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


# For each function: a row that breaks nothing, the types of its columns, and changes by the rule that they break.
SOUND: dict[str, dict[str, Any]] = {
    "job_breaks": {
        "state": "queued", "attempt": 0, "dispatched_at": None, "started_at": None,
        "finished_at": None, "hidden_at": None, "pool_id": None, "video_url": "",
        "credits_reserved": 4, "credits_charged": 0, "failed_count": 0, "version": 1, "seconds": 4,
        "cancel_fee": None, "progress": 0,
    },
    "ledger_breaks": {
        "kind": "reserve", "job_id": uuid4(), "balance_delta": -4, "held_delta": 4, "house_delta": 0,
    },
    "transition_breaks": {"to_state": "queued", "version": 1, "attempt": 0},
    "account_breaks": {"balance": 0, "held": 0, "live_count": 0, "day_jobs": 0},
    "attempt_breaks": {"number": 1, "slot": 0, "ended_at": None, "outcome": ""},
    "lease_breaks": {"attempt": 1, "slot": 1, "percent": None},
}  # fmt: skip
TYPES: dict[str, tuple[str, ...]] = {
    "job_breaks": (
        "varchar", "smallint", *["timestamptz"] * 4, "varchar", "text", "integer", "integer",
        "smallint", "integer", "smallint", "integer", "smallint",
    ),
    "ledger_breaks": ("varchar", "uuid", "bigint", "bigint", "bigint"),
    "transition_breaks": ("varchar", "integer", "smallint"),
    "account_breaks": ("bigint", "bigint", "integer", "integer"),
    "attempt_breaks": ("smallint", "integer", "timestamptz", "varchar"),
    "lease_breaks": ("smallint", "integer", "smallint"),
}  # fmt: skip
BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("job", "state_known", {"state": "lost"}),
    ("job", "finished_iff_terminal", {"state": "failed"}),
    ("job", "video_iff_succeeded", {"video_url": "https://example.com/a.mp4"}),
    (
        "job",
        "holds_slot_of_pool",
        {"state": "dispatched", "attempt": 1, "dispatched_at": "2026-01-01"},
    ),
    (
        "job",
        "running_has_started",
        {"state": "running", "attempt": 1, "dispatched_at": "2026-01-01", "pool_id": "p"},
    ),
    ("job", "hidden_after_end", {"hidden_at": "2026-01-01"}),
    ("job", "charge_within_reserve", {"credits_charged": 5}),
    ("job", "nothing_negative", {"attempt": -1}),
    ("job", "nothing_negative", {"failed_count": -1}),
    ("job", "nothing_negative", {"version": -1}),
    ("job", "nothing_negative", {"seconds": -1}),
    ("job", "nothing_negative", {"credits_reserved": -1, "credits_charged": -1}),
    ("job", "nothing_negative", {"credits_charged": -1}),
    ("job", "nothing_negative", {"cancel_fee": -1}),
    ("job", "nothing_negative", {"progress": -1}),
    ("ledger_entry", "kind_known", {"kind": "gift"}),
    ("ledger_entry", "double_entry", {"house_delta": 1}),
    ("ledger_entry", "job_unless_grant", {"job_id": None}),
    ("ledger_entry", "legs_of_kind", {"kind": "release"}),
    ("job_transition", "state_known", {"to_state": "lost"}),
    ("job_transition", "nothing_negative", {"version": -1}),
    ("job_transition", "nothing_negative", {"attempt": -1}),
    ("account", "never_overdrawn", {"balance": -1}),
    ("account", "held_not_negative", {"held": -1}),
    ("account", "nothing_negative", {"live_count": -1}),
    ("account", "nothing_negative", {"day_jobs": -1}),
    ("attempt", "outcome_iff_ended", {"outcome": "succeeded"}),
    ("attempt", "outcome_iff_ended", {"ended_at": "2026-01-01"}),
    ("attempt", "nothing_negative", {"number": -1}),
    ("attempt", "nothing_negative", {"slot": -1}),
    ("lease", "nothing_negative", {"attempt": -1}),
    ("lease", "nothing_negative", {"slot": -1}),
    ("lease", "nothing_negative", {"percent": -1}),
]
# How a table's function is called, and which of its rows are those of a job that was just granted or waits.
FUNCTIONS: dict[str, str] = {"ledger_entry": "ledger_breaks", "job_transition": "transition_breaks"}
ROWS: dict[str, str] = {
    "job": "id = %(job)s",
    "account": "owner_id = (select owner_id from job where id = %(job)s)",
}


@pytest.mark.parametrize(("table", "rule", "change"), BROKEN)
def test_what_does_not_fit_together_is_refused_by_name(
    table: str, rule: str, change: dict[str, Any]
) -> None:
    function = FUNCTIONS.get(table, f"{table}_breaks")

    assert _broken(function, {}) is None
    assert _broken(function, change) == rule
    _refused(table, change)


def test_tables_that_grow_with_each_submission_are_analyzed_from_few_rows() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            select attrelid::regclass::text || '.' || attname from pg_attribute
            where attrelid = any ('{job,job_transition,ledger_entry,outbox_event,idempotency_key}'::regclass[])
                and attnum > 0 and not attisdropped and coalesce(nullif(attstattarget, -1), 100) > 25
            """
        )
        many = [name for (name,) in cursor.fetchall()]

    assert many == [], (
        "Set statistics 25 in the migration that adds a column, as 0028 does: the largest sets the sample."
    )


def test_all_that_a_table_counts_from_zero_is_refused_below() -> None:
    """A column whose own constraint is left out is among those that its table's function is tried with."""
    found = {
        (model._meta.db_table, field.column)
        for model in apps.get_app_config("jobs").get_models()
        for field in model._meta.local_fields
        if isinstance(field, GuardedIntegerField | GuardedSmallIntegerField)
    }

    tried = {(table, column) for table, _, change in BROKEN for column in change}
    assert found <= tried


def _broken(function: str, change: dict[str, Any]) -> str | None:
    given = ", ".join(f"%s::{name}" for name in TYPES[function])
    with connection.cursor() as cursor:
        cursor.execute(f"select {function}({given})", list((SOUND[function] | change).values()))
        (found,) = cursor.fetchone()
    return cast("str | None", found)


def _refused(table: str, change: dict[str, Any]) -> None:
    """Change the rows of a job that waits, or that holds a slot, without the guards of history."""
    job_id = queued(ann())
    if table in {"attempt", "lease"}:
        dispatch.grant_free_slots()
    changes = ", ".join(f"{name} = %({name})s" for name in change)
    where = ROWS.get(table, "job_id = %(job)s")

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"alter table {table} disable trigger user")
        with pytest.raises(IntegrityError, match="_breaks_nothing"):
            cursor.execute(
                f"update {table} set {changes} where {where}",  # noqa: S608 - names of this file
                {**change, "job": job_id},
            )
        transaction.set_rollback(True)
