"""A drill: what was saved comes back into an empty database, and nothing else is ever lost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from jobs.models import Job, Lease
from notifications import sealing
from notifications.models import WebhookEndpoint
from tests.factories import ann, bob, queued, running, succeeded
from videogen import backups
from videogen.postgresql.client import Client

ROOT = Path(__file__).resolve().parent.parent.parent
DRILL = "drill"
_END_OTHERS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


@pytest.fixture
def drill(transactional_db: None) -> Iterator[str]:
    """Give the address of an empty database beside the test's."""
    with connection.cursor() as cursor:
        cursor.execute(f"create database {DRILL} template template0")
    there = connection.settings_dict
    login = f"{there['USER']}:{quote(str(there['PASSWORD']))}"
    host = quote(str(there["HOST"]), safe="")
    yield f"postgresql://{login}@{host}:{there['PORT']}/{DRILL}"
    with connection.cursor() as cursor:
        cursor.execute(f"drop database {DRILL} with (force)")


def test_a_backup_comes_back_whole_in_an_empty_database(drill: str, tmp_path: Path) -> None:
    owner = ann()
    succeeded(owner)
    running(owner)
    # A backup is older than a minute: what was under way is overdue when it comes back.
    Lease.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    queued(bob())
    secret = sealing.seal("whsec_c2VjcmV0")
    WebhookEndpoint.objects.create(
        id=owner.id, owner_id=owner.id, url="https://hooks.example/", event_types=[],
        sealed_secret=secret,
    )  # fmt: skip
    file = tmp_path / "backup"
    call_command("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["backup"]

    done = subprocess.run(
        [sys.executable, "manage.py", "restore", str(file)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": drill},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "invariants hold" in done.stdout
    with psycopg.connect(drill, autocommit=True) as restored:
        states = restored.execute("select state from job order by state").fetchall()
        assert [state for (state,) in states] == ["queued", "running", "succeeded"]
        sealed = restored.execute("select sealed_secret from webhook_endpoint").fetchone()
        assert sealed == (secret,)
        with pytest.raises(psycopg.errors.IntegrityError):
            restored.execute("delete from ledger_entry")


@pytest.mark.django_db(transaction=True)
def test_what_is_there_is_replaced_only_when_told_and_only_by_a_whole_backup(
    tmp_path: Path,
) -> None:
    succeeded(ann())
    file, broken = tmp_path / "backup", tmp_path / "broken"
    call_command("backup", str(file))
    # The list of contents is at the beginning, so that only reading to the end shows what is missing.
    broken.write_bytes(file.read_bytes()[:-2000])
    Job.objects.update(prompt="later")

    with pytest.raises(CommandError, match=r"Nothing was restored\. The database has \d+ tables"):
        call_command("restore", str(file))
    _until_alone()
    there = connection.settings_dict
    with (
        psycopg.connect(
            host=there["HOST"], port=there["PORT"], dbname=there["NAME"], user=there["USER"],
            password=there["PASSWORD"], application_name="somebody at work",
        ),
        pytest.raises(CommandError, match="in use by somebody at work"),
    ):  # fmt: skip
        call_command("restore", str(file), "--yes")
    _until_alone()
    with pytest.raises(CommandError, match="Nothing was restored"):
        call_command("restore", str(broken), "--yes")
    assert Job.objects.get().prompt == "later"

    call_command("restore", str(file), "--yes")

    assert Job.objects.get().prompt == "a whale"


@pytest.mark.django_db
def test_a_backup_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("backup", str(tmp_path / "nowhere" / "backup"))
    with pytest.raises(CommandError, match="is no file"):
        call_command("restore", str(tmp_path / "backup"))


def _until_alone() -> None:
    """End the sessions of those who left, and those that threads of other tests keep open; wait until they are gone."""
    ends_at = time.monotonic() + 60
    with connection.cursor() as cursor:
        cursor.execute(backups._OTHERS)
        while cursor.fetchall():
            assert time.monotonic() < ends_at
            cursor.execute(_END_OTHERS)
            cursor.execute(backups._OTHERS)


def test_the_shell_of_the_database_is_found_where_only_the_package_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    (program, *_), _ = Client.settings_to_cmd_args_env({"NAME": "videogen", "OPTIONS": {}}, [])

    assert Path(program).name == "psql"
    assert Path(program).is_file()
