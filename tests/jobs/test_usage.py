"""The days of the usage page: how long its owner waited, where it went, and what reading it costs."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client

from jobs import daily_use, days
from jobs.models import Account, Job, LedgerEntry
from jobs.web import usage
from tests.factories import ann, queued, succeeded
from tests.scheduler.test_hot_plans import FILL, LARGE, _nodes

pytestmark = pytest.mark.django_db(transaction=True)

_UTC = ZoneInfo("UTC")


def test_a_day_says_how_long_its_owner_waited_and_which_models_took_it() -> None:
    cache.clear()
    owner = ann()
    made = [succeeded(owner) for _ in range(5)]
    for seconds, job in zip((10, 20, 30, 40, 140), made, strict=True):
        Job.objects.filter(id=job.id).update(
            dispatched_at=F("created_at") + timedelta(seconds=seconds),
            started_at=F("created_at") + timedelta(seconds=seconds),
            finished_at=F("created_at") + timedelta(seconds=seconds + 60),
        )
    Job.objects.filter(id=made[0].id).update(model="wan")
    queued(owner)
    today = made[0].created_at.date()

    use = daily_use.by_day(owner.id, [today, today - timedelta(days=1)], zone=_UTC)

    assert use[today].waits == pytest.approx([30, 100])
    cost = made[0].credits_charged
    assert use[today].models == {"preview": [5, 240, 4 * cost], "wan": [1, 60, cost]}
    assert (use[today - timedelta(days=1)].waits, use[today - timedelta(days=1)].models) == (
        None,
        {},
    )
    client = Client()
    client.force_login(owner.user)
    page = client.get("/usage").content.decode()
    assert "lately 0:30 in the median and 1:40 for the slowest tenth" in page
    assert page.index('<th scope="row">Preview</th>') < page.index('<th scope="row">Wan</th>')


def test_every_entry_says_what_was_left_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ann()
    monkeypatch.setattr(usage, "ENTRIES", 3)
    for _ in range(2):
        succeeded(owner)
    queued(owner)
    left, expected = 0, []
    for moved in LedgerEntry.objects.filter(account_id=owner.id).order_by("id"):
        left += moved.balance_delta
        expected.append(f"{left:,}")
    client = Client()
    client.force_login(owner.user)

    found, url = [], "/usage"
    while url:
        context = client.get(url).context
        found += [entry.left for entry in context["entries"]]
        url = f"/usage?before={context['older']}" if context["older"] else ""

    assert (len(found), found) == (6, expected[::-1])
    assert found[0] == f"{Account.objects.get(owner_id=owner.id).balance:,}"


def test_the_days_are_read_by_the_index_of_their_owner() -> None:
    owner = ann()
    queued(owner)
    with connection.cursor() as cursor:
        for statement in FILL.split(";\n"):
            cursor.execute(statement)
    shown = [days.day("today", zone=_UTC) - timedelta(days=back) for back in range(30)]
    bounds = [days.bounds(day, zone=_UTC) for day in shown]
    values: dict[str, Any] = {
        "owner": owner.id,
        "days": shown,
        "firsts": [first for first, _ in bounds],
        "nexts": [after for _, after in bounds],
        "most": daily_use.MOST_OF_A_DAY,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"explain (analyze, format json) {daily_use._USE}", values)
        ((plan,),) = cursor.fetchall()

    nodes = list(_nodes(plan[0]["Plan"]))
    assert "job_by_owner" in {node.get("Index Name") for node in nodes}
    for node in nodes:
        assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE), node
        assert node["Actual Rows"] * node["Actual Loops"] <= 100, node
