"""A dispatcher is killed: the one that stood by goes on from the rows."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Lease, Pool, Progress
from tests.factories import VIDEO, ann, queued

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent.parent
LEADER = """
select application_name from pg_locks join pg_stat_activity using (pid)
where locktype = 'advisory' and objid = 7001 and granted and datname = current_database()
"""


@pytest.fixture
def dispatchers() -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    found = {}
    for name in ("one", "two"):
        found[f"videogen {name}"] = subprocess.Popen(
            [sys.executable, "manage.py", "run", "dispatcher"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url, "PROCESS_NAME": name},
            stderr=subprocess.DEVNULL,
        )
    try:
        yield found
    finally:
        for process in found.values():
            process.kill()
            process.wait()


def _until(question: Callable[[], object]) -> object:
    ends_at = time.monotonic() + 60
    while not (answer := question()):
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    return answer


def _leader() -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(LEADER)
        row = cursor.fetchone()
    return row[0] if row else None


def test_the_standby_grants_when_the_leader_is_killed(
    dispatchers: dict[str, subprocess.Popen[bytes]],
) -> None:
    owner = ann()
    Pool.objects.update(slots=1)
    first = _until(_leader)
    before = queued(owner)
    _until(lambda: Lease.objects.filter(job_id=before).exists())
    queued(owner)

    dispatchers[str(first)].send_signal(signal.SIGKILL)
    second = _until(lambda: (name := _leader()) != first and name)
    transitions.succeed(JobId(before), attempt=1, video=VIDEO)
    _until(lambda: Lease.objects.exclude(job_id=before).exists())

    assert {first, second} == set(dispatchers)
    # What the first one reached is where the second went on.
    newest = Progress.objects.get()
    assert max(newest.virtual_times.values()) > 0
    assert any(settled > 0 for *_, settled, _ in newest.shares)
