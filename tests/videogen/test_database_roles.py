"""The roles of the database: what the app does as its own role, and what that role cannot do."""

from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from jobs import transitions
from jobs.models import Job, LedgerEntry
from notifications.relay import Relay
from scheduler import dispatch, invariants, sweeps
from scheduler.publisher import Publisher
from tests.factories import ann, bob, queued, silent, succeeded
from videogen import backups, database_roles
from videogen.accounts import keys, suspensions
from videogen.database_roles import Role

APP, READER = "test_app", "test_reader"
DENIED = "permission denied|must be owner"


@pytest.fixture
def roles(db: None) -> None:
    """Roles are rolled back with the rest of the test."""
    database_roles.grant(app=Role(name=APP), reader=Role(name=READER))


def _become(role: str) -> None:
    _run(f"set local role {role}")


def test_the_app_does_its_work_under_its_own_role(roles: None) -> None:
    _become(APP)

    owner, other = ann(), bob()
    succeeded(owner)
    keys.revoke(keys.issue(owner.user, name="lost")[0].id, user_id=owner.id)
    transitions.cancel(queued(owner), owner_id=owner.id)
    silent(other)
    sweeps.rescue_silent_workers(jitter=lambda: 0.5)
    sweeps.grant_months()
    sweeps.forget_keys()
    sweeps.forget_tickets()
    queued(other)
    suspensions.suspend(other.user, reason="Why not", by=None)
    suspensions.withdraw_jobs()
    Publisher().publish()
    dispatch.grant_free_slots()
    relay = Relay()
    relay.acquire_shards()
    relay.step()

    assert set(Job.objects.values_list("state", flat=True)) >= {"succeeded", "canceled"}
    assert invariants.violations() == []


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (id int)",
        "alter table job add column more int",
        "alter table ledger_entry disable trigger ledger_append_only",
        "drop table job",
        "drop function refuse_change cascade",
        "truncate ledger_entry",
        "truncate job cascade",
        "update ledger_entry set balance_delta = 0",
        "delete from ledger_entry",
        "update job_transition set to_state = 'failed'",
        "delete from job_transition",
        "delete from pool_change",
        "delete from django_migrations",
        "set session_replication_role = replica",
        "create role another superuser",
    ],
)
def test_the_app_cannot_change_the_schema_or_what_was_written(roles: None, statement: str) -> None:
    succeeded(ann())
    _become(APP)

    _is_refused(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update job set prompt = ''",
        "insert into pool_change (pool) values ('x')",
        "delete from tier",
    ],
)
def test_the_reader_only_reads(roles: None, statement: str) -> None:
    succeeded(ann())
    _become(READER)

    assert Job.objects.count() == 1
    assert LedgerEntry.objects.exists()
    _is_refused(statement)


def test_a_session_of_anybody_that_holds_a_lock_is_seen_by_both_roles(roles: None) -> None:
    assert database_roles.show_sessions(Role(name=APP), Role(name=READER))
    there = connection.settings_dict
    address = {"host": there["HOST"], "port": there["PORT"], "dbname": there["NAME"]}
    with psycopg.connect(**address, user=there["USER"], password=there["PASSWORD"]) as somebody:
        somebody.execute("select 1")
        for role in (APP, READER):
            _become(role)
            (found,) = invariants.violations(grace=-60, only={"nobody_holds_a_lock"})
            assert somebody.info.backend_pid in {pid for pid, *_ in found.rows}
            _run("reset role")


def test_an_owner_who_may_not_let_them_see_sessions_is_told(roles: None) -> None:
    _become(READER)

    assert not database_roles.show_sessions(Role(name=APP))


def test_a_restore_notices_sessions_that_its_role_cannot_look_into(roles: None) -> None:
    there = connection.settings_dict
    address = {"host": there["HOST"], "port": there["PORT"], "dbname": there["NAME"]}
    with psycopg.connect(
        **address, user=there["USER"], password=there["PASSWORD"], application_name="videogen web"
    ):
        _become(READER)
        with pytest.raises(backups.BackupFailed, match=r"in use by .*videogen web"):
            backups._check_room(replace=True)


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _is_refused(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=DENIED),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_who_may_too_much_is_told(roles: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("database_roles", "--check")
    assert "is a superuser" in capsys.readouterr().out

    _become(APP)
    call_command("database_roles", "--check")

    assert "no more than its work" in capsys.readouterr().out


def test_a_right_that_somebody_added_is_taken_back(roles: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"grant truncate, update on ledger_entry to {APP}")
    database_roles.grant(app=Role(name=APP), reader=Role(name=READER))

    _become(APP)

    assert database_roles.too_much() == []


@pytest.fixture
def _no_roles_left(transactional_db: None) -> Iterator[None]:
    yield
    with connection.cursor() as cursor:
        for role in ("videogen_app", "videogen_reader"):
            cursor.execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.usefixtures("_no_roles_left")
def test_the_command_makes_roles_that_can_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_PASSWORD", 'it\'s "quoted"')
    monkeypatch.setenv("READER_DATABASE_PASSWORD", "another")
    call_command("database_roles")
    monkeypatch.setenv("APP_DATABASE_PASSWORD", "")
    call_command("database_roles")

    there = connection.settings_dict
    address = {"host": there["HOST"], "port": there["PORT"], "dbname": there["NAME"]}
    with psycopg.connect(**address, user="videogen_app", password='it\'s "quoted"') as app:
        app.execute("select count(*) from job")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("create table mine (id int)")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(**address, user="videogen_app", password="another")
