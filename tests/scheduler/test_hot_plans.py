"""The plans of the statements that run all the time: by index, and a bounded number of rows whatever waits."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.http import QueryDict
from django.utils import timezone

from jobs import days, entrance, grants, locks, moves, outlooks, submit_statement, transitions
from jobs import progress as newest
from jobs.api import filters, rows
from jobs.idempotency import Claim
from jobs.ids import JobId, new_job_id
from jobs.models import Job, LearnedBy, Pool
from jobs.transitions import Success
from notifications import prepared
from scheduler import board, dispatch, progress, snapshot
from tests.factories import VIDEO, Person, a_request, ann, bob, cy, queued, succeeded
from tests.factories import person as cast

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
insert into lane (owner_id, line_id, state, tag, work, jobs, head_id, head_cost, head_since)
select distinct on (owner_id, line_id) owner_id, line_id, 1, random() * 1000, 80,
    count(*) over (partition by owner_id, line_id), job_id, cost, since
from backlog order by owner_id, line_id, job_id
on conflict do nothing;
analyze account; analyze backlog; analyze lane; analyze lease; analyze job
"""
# A year of ended jobs of everybody, a few of them of one owner.
FILL_ENDED = """
insert into job (id, owner_id, tier_id, state, prompt, model, seconds, size, estimate, attempt, failed_count, version,
    credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code, error_message, created_at,
    finished_at)
select gen_random_uuid(), case when n %% 10 = 0 then %s else md5((n %% 500)::text)::uuid end, 'free', 'canceled',
    'a whale', 'preview', 4, '854x480', 10, 0, 0, 2, 0, 0, 0, '', '', '', '', now() - n * interval '1 hour',
    now() - n * interval '1 hour'
from generate_series(1, 5000) n
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
        cursor.execute(f"explain (format json) {locks._LEAVE_LINE}", {"job": job_id})
        ((plan,),) = cursor.fetchall()

    for node in _nodes(plan[0]["Plan"]):
        assert node["Node Type"] != "Seq Scan"


def _explain(statement: str, values: Any) -> dict[str, Any]:
    """Run a statement by the plan that it has wherever it is prepared, for any values; take back what it wrote."""
    text, names = prepared._numbered(statement)
    given = [values[name] for name in names] if isinstance(values, Mapping) else list(values)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local plan_cache_mode = force_generic_plan")
        cursor.execute(f"prepare looked_at as {text.decode()}")
        places = f"({', '.join(['%s'] * len(given))})" if given else ""
        cursor.execute(f"explain (analyze, format json) execute looked_at {places}", given)
        ((plan,),) = cursor.fetchall()
        cursor.execute("deallocate looked_at")
        transaction.set_rollback(True)
    found: dict[str, Any] = plan[0]["Plan"]
    return found


@pytest.mark.usefixtures("_waiting")
def test_submissions_moves_and_reads_touch_a_handful_of_rows_of_large_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person, dan = bob(), cast("dan", tier="internal")
    plans: dict[str, dict[str, Any]] = {}
    reads_of_one = (rows._STAMP_OF_ONE, rows._ONE, rows._TOLD, outlooks._OWN)
    run, look = prepared.run, prepared.look

    def explained(statement: str, values: Any) -> Any:
        plans[statement] = _explain(statement, values)
        return run(statement, values)

    def looked(statement: str, values: Any) -> Any:
        plans[statement] = _explain(statement, values)
        return look(statement, values)

    monkeypatch.setattr(prepared, "run", explained)
    monkeypatch.setattr(prepared.Shared, "run", lambda _, *sent: explained(*sent))
    with monkeypatch.context() as reads:
        reads.setattr(prepared, "look", looked)
        reads.setattr(prepared.Shared, "look", lambda _, *sent: looked(*sent))
        job_id = queued(person)
        rows.stamp(job_id, owner_id=person.id)
        told = rows.find(job_id, owner_id=person.id).row()
        outlooks.explain([told], owner_id=person.id)
        outlooks.explain([rows.one(job_id, owner_id=person.id)], owner_id=person.id)
        asked = {"job": job_id, "owner": person.id, "also_hidden": False, "jobs": f"{{{job_id}}}"}
        found = [read.ask_together([asked, asked]) for read in reads_of_one]
    assert [[len(answer) for answer in each] for each in found] == [[1, 1]] * len(reads_of_one)
    together = entrance._together([_entry(caller) for caller in (cy(), dan)])
    assert [one is not None and one.is_entered for one in together] == [True, True]
    Pool.objects.update(slots=10)
    with connection.cursor() as cursor:
        cursor.execute("update lane set tag = -1 where owner_id = %s", [person.id])
    dispatch.grant_free_slots()
    transitions.succeed_together(
        [Success(job_id=job_id, attempt=1, video=VIDEO, learned_by=LearnedBy.POLL)]
    )

    assert Job.objects.get(id=job_id).state == "succeeded"
    assert {moves.APPLY, locks._LOCK_OWNERS, grants.GRANT} <= plans.keys()
    assert submit_statement.of_several() in plans
    for read in reads_of_one:
        assert {read.statement, read.together} <= plans.keys()
    assert any(
        "on conflict" in one and "insert into job " in one
        for one in plans.keys() - {submit_statement.of_several()}
    )
    for statement, plan in plans.items():
        for node in _nodes(plan):
            if node.get("Relation Name") in LARGE:
                assert node["Node Type"] != "Seq Scan", (statement, node)
                touched = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                assert touched * node["Actual Loops"] <= 500, (statement, node)


@pytest.mark.parametrize("shape", ["all", "today", "next"])
def test_a_list_of_what_ended_is_read_from_its_index(shape: str) -> None:
    owner = ann()
    ended = {succeeded(owner).id for _ in range(3)}
    waiting = queued(owner)
    with connection.cursor() as cursor:
        cursor.execute(FILL_ENDED, [owner.id])
        cursor.execute("vacuum analyze job")
    wanted = filters.read(QueryDict("day=all&limit=4"), zone=days.zone("UTC"))

    page = rows.page(wanted, owner_id=owner.id)
    if shape == "today":
        wanted = replace(wanted, day=timezone.now().date())
    elif shape == "next":
        wanted = replace(wanted, cursor=page.next)
    values = wanted.parameters(owner.id, window=rows.WINDOW)
    read = rows._page_read(wanted.shape)
    plans = [_explain(read.statement, values)]
    for_two = {name: "{" + ",".join([f'"{value}"'] * 2) + "}" for name, value in values.items()}
    plans.append(_explain(read.together, for_two))

    assert [rows.id_of(stamp) for stamp in page.stamps] == [waiting, *sorted(ended)[::-1]]
    for plan in plans:
        scans = {
            (node["Node Type"], node["Index Name"]) for node in _nodes(plan) if "Index Name" in node
        }
        assert scans == {
            ("Index Scan", "job_live_by_owner"),
            ("Index Only Scan", "job_ended_by_owner"),
        }


def _entry(caller: Person) -> entrance._Entry:
    return entrance._Entry(
        request=a_request(),
        owner_id=caller.id,
        job_id=new_job_id(),
        claim=Claim.by_key("key"),
        origin=entrance.Origin(),
    )


def test_neither_a_grant_nor_a_start_writes_an_index_of_all_jobs() -> None:
    queued(ann())
    before = _written("job")

    (doorbell,) = dispatch.grant_free_slots()
    transitions.start(JobId(doorbell.job_id), attempt=doorbell.attempt)

    assert [after - old for old, after in zip(before, _written("job"), strict=True)] == [2, 2]


def _written(table: str) -> tuple[int, int]:
    """Give how many rows of a table were changed, and how many of them without touching an index."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = %s", [table]
        )
        changed, in_place = cursor.fetchone()
    return changed, in_place


def test_while_an_old_snapshot_is_held_a_virtual_time_costs_what_it_did() -> None:
    columns = ("jobs", "pools", "slots", "steps", "lane_owners", "lane_lines", "used")
    nothing: dict[str, list[Any]] = {name: [] for name in columns}
    parameters = {**connection.get_connection_params(), "cursor_factory": psycopg.Cursor}
    parameters.pop("context", None)
    with psycopg.connect(**parameters) as backup:
        backup.execute("set transaction isolation level repeatable read")
        backup.execute("select 1")
        come = progress.Progress(virtual_times=dict.fromkeys(range(40), 7.0))
        for number in range(200):
            before = progress.Progress(number=number)
            grants.write(**nothing, **progress.columns(before, come))
        with connection.cursor() as cursor:
            statement = f"select {newest.VIRTUAL_TIME.format(line=1)}"
            cursor.execute(f"explain (analyze, buffers, format json) {statement}")
            ((plan,),) = cursor.fetchall()
            cursor.execute("select pg_relation_size('progress') / 8192")
            ((pages,),) = cursor.fetchall()

    assert pages > 5
    # The way down the index, and the row.
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] <= 5
