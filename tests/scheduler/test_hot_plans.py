"""The plans of the statements that run all the time: by index, and a bounded number of rows whatever waits."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from jobs import locks, prepared
from jobs.models import Pool
from scheduler import board, dispatch, snapshot
from tests.factories import ann, queued

pytestmark = pytest.mark.django_db(transaction=True)

# A backlog of some size, of owners with accounts, so that the planner would rather not read it all.
FILL = """
insert into account_user (id, password, is_superuser, email, time_zone, is_staff, is_active, joined_at)
select md5(n::text)::uuid, '', false, n || '@example.com', 'UTC', false, true, now()
from generate_series(1, 3000) n;
insert into account (owner_id, tier_id, balance, held, live_count, granted_month)
select id, case when random() < 0.5 then 'free' else 'pro' end, 0, 0, 0, '2026-01'
from account_user where email ~ '^\\d+@';
insert into job (id, owner_id, tier_id, state, prompt, model, seconds, size, estimate, attempt,
    failed_count, version, credits_reserved, credits_charged, progress, video_url, thumbnail_url,
    error_code, error_message)
select gen_random_uuid(), owner_id, tier_id, 'queued', 'a whale', 'preview', 4, '854x480', 10, 0,
    0, 1, 0, 0, 0, '', '', '', ''
from account cross join generate_series(1, 5) where granted_month = '2026-01';
insert into backlog (job_id, owner_id, line_id, cost, since)
select job.id, owner_id, line.id, 10, now() - random() * interval '10 hours'
from job join line using (tier_id) where line.kind = 'preview' on conflict do nothing;
insert into lane (owner_id, line_id, state, tag, work, head_id, head_cost, head_since)
select distinct on (owner_id, line_id) owner_id, line_id, 1, random() * 1000, 80, job_id, cost, since
from backlog order by owner_id, line_id, job_id
on conflict do nothing;
analyze account; analyze backlog; analyze lane; analyze lease; analyze job
"""
# Tables that grow with what waits or with who there is: never read as a whole.
LARGE = {"account", "backlog", "job", "lane", "account_user", "job_transition", "outbox_event"}


@pytest.fixture
def _waiting() -> None:
    queued(ann())
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            cursor.execute(statement)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _plans_of_a_batch(monkeypatch: pytest.MonkeyPatch, most: int) -> dict[str, dict[str, Any]]:
    """Grant a batch; give the plan of each of its statements, as it ran."""
    found: dict[str, dict[str, Any]] = {}

    def explained(statement: str, values: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("savepoint before" if connection.in_atomic_block else "select 1")
            cursor.execute(f"explain (analyze, format json) {statement}", values)
            ((plan,),) = cursor.fetchall()
            found[statement] = plan[0]["Plan"]
            if connection.in_atomic_block:
                cursor.execute("rollback to savepoint before")
            cursor.execute(statement, values)
            return cursor.fetchall()

    monkeypatch.setattr(prepared, "run", explained)
    assert len(dispatch.grant_batch(board.Memory(), most=most).doorbells) == most
    return found


@pytest.mark.usefixtures("_waiting")
def test_a_batch_reads_what_it_needs_by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    Pool.objects.update(slots=10)

    plans = _plans_of_a_batch(monkeypatch, 10)

    assert len(plans) == 3
    for plan in plans.values():
        for node in _nodes(plan):
            assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE), node
            rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node[
                "Actual Loops"
            ]
            assert rows <= 500, node
    used = {node.get("Index Name") for node in _nodes(plans[snapshot._HEADS])}
    assert used >= {"lane_ready", "lane_by_age", "backlog_by_lane", "account_pkey"}


@pytest.mark.usefixtures("_waiting")
def test_who_leaves_the_line_touches_its_own_lane() -> None:
    with connection.cursor() as cursor:
        cursor.execute("select job_id from backlog limit 1")
        ((job_id,),) = cursor.fetchall()
        cursor.execute(f"explain (format json) {locks._LEAVE_LINE}", [job_id])
        ((plan,),) = cursor.fetchall()

    for node in _nodes(plan[0]["Plan"]):
        assert node["Node Type"] != "Seq Scan"
