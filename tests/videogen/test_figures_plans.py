"""What is read for the metrics every few seconds reads a bounded number of rows, by index, however much there is."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from django.db import connection

from notifications.relay import Relay
from tests.factories import ann, succeeded
from tests.scheduler import test_hot_plans
from videogen.figures import kept, pools, queue, telling, upkeep
from videogen.figures.drift import Drift
from videogen.figures.figure import Figure, Spread
from videogen.figures.moves import Moves

pytestmark = pytest.mark.django_db(transaction=True)

_HISTORY = """
set session_replication_role = replica;
insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
select id, 9, 'running', 'succeeded', 1, 'backend', now() - interval '1 hour' from job where state = 'queued';
insert into attempt (job_id, number, pool, slot, worker, node, backend_job_id, handle, learned_by, granted_at,
    started_at, ended_at, outcome, detail)
select id, 1, 'preview', 1, 'w', 'n', '', '{}', 'poll', now(), now(), now(), 'succeeded', ''
from job where state = 'queued';
insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, house_delta, reason, reference)
select owner_id, id, 'release', 0, 0, 0, '', '' from job where state = 'queued';
insert into outbox_event (name, subject_id, owner_id, payload, recorded_at, sequence, relayed_at)
select 'job.queued', id, owner_id, '{}', now(), 1000 + row_number() over (), now() from job;
insert into delivery_route (channel, target, failure_count)
select 'email', id::text, 0 from job;
insert into delivery (id, event_id, owner_id, name, subject_id, channel, target, message_id, content, payload,
    state, reason, due_at, is_daily, attempt, try_count, replay_count, created_at, ended_at)
select gen_random_uuid(), 1000 + row_number() over (), owner_id, 'job.succeeded', id, 'email', id::text, '', '', '{}',
    'delivered', '', null, false, 1, 1, 0, now(), now() from job where state = 'queued';
insert into notification (event_id, owner_id, name, subject_id, payload, created_at)
select 1000 + row_number() over (), owner_id, 'job.succeeded', id, '{}', now() from job;
insert into idempotency_key (owner_id, key, fingerprint, job_id) select owner_id, id::text, '', id from job
on conflict do nothing;
insert into webhook_message (pool, message_id, backend_job_id) select 'preview', id::text, '' from job;
insert into ticket (owner_id, line_id, why, fingerprint, valid_from, valid_until)
select owner_id, 1, '', '', now(), now() from job;
insert into django_session (session_key, session_data, expire_date) select id::text, '', now() from job;
reset session_replication_role;
analyze job_transition; analyze attempt; analyze ledger_entry; analyze outbox_event; analyze delivery_route;
analyze delivery; analyze notification; analyze idempotency_key; analyze webhook_message; analyze ticket;
analyze django_session
"""
_NEW_MOVES = """
insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
select job_id, 8, 'dispatched', 'running', 1, 'backend', now() - interval '1 minute'
from (select job_id from attempt where worker = 'w' order by job_id offset %s limit 20) chosen
"""
_LARGE = test_hot_plans.LARGE | {
    *("attempt", "ledger_entry", "delivery", "delivery_route", "notification"),
    *("idempotency_key", "webhook_message", "ticket", "django_session"),
}
# Of one step of one statement.
_MOST_ROWS = 1_000
_NEXT = count(0, 20)
_STATEMENTS = {"queue": 6, "pools": 1, "telling": 2, "upkeep": 7, "kept": 1, "moves": 4, "drift": 1}


@pytest.fixture
def _much() -> None:
    succeeded(ann())
    relay = Relay()
    relay.acquire_shards()
    relay.step()
    with connection.cursor() as cursor:
        for statement in (*test_hot_plans.FILL.split(";\n"), *_HISTORY.split(";\n")):
            cursor.execute(statement)


def _moves() -> Callable[[], Sequence[Figure | Spread]]:
    """Give a count of moves for which some are new each time."""
    moves = Moves()
    moves.read()

    def read() -> Sequence[Figure | Spread]:
        with connection.cursor() as cursor:
            cursor.execute(_NEW_MOVES, [next(_NEXT)])
        return moves.read()

    return read


def _explained(
    read: Callable[[], Sequence[Figure | Spread]],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read, and give each statement with its plan as it ran."""
    asked: list[tuple[Any, Any]] = []

    def note(execute: Any, statement: Any, values: Any, many: bool, context: Any) -> Any:
        asked.append((statement, values))
        return execute(statement, values, many, context)

    # What is read once in the life of a process is read now.
    read()
    with connection.execute_wrapper(note):
        assert read()
    for statement, values in asked:
        if statement == _NEW_MOVES:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"explain (analyze, format json) {statement}", values)
            ((plan,),) = cursor.fetchall()
        yield statement, plan[0]["Plan"]


@pytest.mark.usefixtures("_much")
def test_no_source_of_figures_reads_a_large_table_as_a_whole() -> None:
    sources = {
        "queue": queue.read,
        "pools": pools.read,
        "telling": telling.read,
        "upkeep": upkeep.read,
        "kept": kept.read,
        "moves": _moves(),
        "drift": Drift().read,
    }
    plans = {name: list(_explained(read)) for name, read in sources.items()}

    # So many statements every few seconds, whatever there is.
    assert {name: len(found) for name, found in plans.items()} == _STATEMENTS
    for statement, plan in (one for found in plans.values() for one in found):
        for node in test_hot_plans._nodes(plan):
            told = f"{node['Node Type']} of {node.get('Relation Name')} in {statement}"
            assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in _LARGE), told
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            assert rows * node["Actual Loops"] <= _MOST_ROWS, told
