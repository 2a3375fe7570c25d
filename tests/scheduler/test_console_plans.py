"""The console's plans on large tables: every question by index, whatever waits and whatever happened."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Job
from notifications.models import Delivery
from scheduler import readings
from tests.factories import ann, published, queued
from tests.scheduler.staff import viewer
from tests.scheduler.test_hot_plans import FILL

pytestmark = pytest.mark.django_db(transaction=True)

# Attempts and deliveries for the jobs that wait, so that these tables are large too.
MORE = """
insert into attempt (job_id, number, pool, slot, worker, node, backend_job_id, handle, learned_by,
    granted_at, outcome, detail)
select id, 1, 'preview', 1, '', '', 'b-' || id, '{}', '', now(), '', '' from job;
insert into delivery (id, owner_id, name, subject_id, channel, target, message_id, content, payload,
    state, reason, due_at, attempt, try_count, replay_count, ended_at)
select md5('d' || id)::uuid, owner_id, 'job.succeeded', id, 'webhook', 't', 'm', '', '{}',
    'delivered', '', null, 1, 1, 0, now() from job;
insert into job_transition (job_id, version, from_state, to_state, attempt, cause, at)
select id, 1, '', 'queued', 0, 'owner', now() from job on conflict do nothing;
insert into outbox_event (name, subject_id, owner_id, payload, recorded_at, relayed_at)
select 'job.queued', id, owner_id, '{}', now(), now() from job;
insert into operator_act (actor, verb, subject, reason, outcome)
select n % 50 || '@example.com', 'pool.drain', 'p' || n % 900, 'why', 'Done.' from generate_series(1, 20000) n;
analyze account_user, account, lane, backlog, attempt, job, delivery, operator_act,
    job_transition, outbox_event
"""
LARGE = {
    "account", "account_user", "attempt", "backlog", "delivery", "job", "job_transition", "lane",
    "operator_act", "outbox_event",
}  # fmt: skip


def _plan(statement: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"explain (format json) {statement}")
        ((found,),) = cursor.fetchall()
    plans = json.loads(found) if isinstance(found, str) else found
    plan: dict[str, Any] = plans[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def test_no_page_reads_a_large_table_as_a_whole() -> None:
    queued(ann())
    with connection.cursor() as cursor:
        for statement in (FILL + ";\n" + MORE).split(";\n"):
            cursor.execute(statement)
    job: UUID = Job.objects.values_list("id", flat=True)[0]
    client = viewer()
    published()
    readings.take()
    terms = (str(job), str(uuid4()), f"b-{job}", "7@example.com", "7@example.com some key")
    addresses = [
        "/console/", "/console/live", "/console/charts", "/console/tenants", "/console/dead",
        "/console/dead?kind=webhooks", "/console/dead?kind=messages", f"/console/jobs/{job}",
        "/console/audit", "/console/audit?actor=7@example.com", "/console/audit?subject=p7",
        *(f"/console/jobs?q={term}" for term in terms),
    ]  # fmt: skip

    for address in addresses:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code in {200, 302}, address
        for query in queries:
            if query["sql"].lstrip().lower().startswith(("select", "with")):
                for node in _nodes(_plan(query["sql"])):
                    is_whole = node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
                    assert not is_whole, f"{address}: {node['Relation Name']} in {query['sql']}"
    assert not Delivery.objects.filter(state="abandoned").exists()
