"""Lists of jobs: days, filters, pages that stay stable, tags, and how few rows they touch."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from jobs import days, outlooks
from jobs.api import filters, rows
from jobs.models import Job, Lease
from tests.api.calls import get, ids, send
from tests.factories import Person, ann, cy, queued, running, succeeded
from videogen.accounts import keys
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db


def _created(job_id: UUID, ago: timedelta) -> None:
    Job.objects.filter(id=job_id).update(created_at=timezone.now() - ago)


def test_pages_show_every_job_once_while_new_ones_come() -> None:
    owner = ann()
    made = [str(queued(owner)) for _ in range(7)]
    first = get(owner, "jobs?limit=3&tz=Asia/Tokyo&day=all")
    queued(owner, "newer")

    second = get(owner, first.json()["next"])
    third = get(owner, second.json()["next"])

    assert ids(first) + ids(second) + ids(third) == list(reversed(made))
    assert third.json()["next"] is None
    assert first.headers["Link"] == f'<{first.json()["next"]}>; rel="next"'


@pytest.mark.parametrize("query", ["day=all", "tz=UTC", "day=all&text=whale"])
def test_pages_of_what_lives_and_what_ended_are_in_one_order_with_one_stamp_for_each(
    query: str,
) -> None:
    owner = ann()
    at = timezone.now()
    ended = [succeeded(owner).id for _ in range(4)]
    for number, one in enumerate(ended):
        made = (one, queued(owner))
        # What came at the same moment is told apart by its id, whichever of both it is.
        Job.objects.filter(id__in=made).update(created_at=at - timedelta(microseconds=number // 2))
    Job.objects.filter(id=ended[0]).update(version=F("version") + 1)
    expected = [*Job.objects.filter(owner=owner.user).newest_first().values_list("id", flat=True)]
    wanted = filters.read(QueryDict(f"{query}&limit=3"), zone=_utc())

    stamps: list[str] = []
    while True:
        page = rows.page(wanted, owner_id=owner.id)
        stamps += page.stamps
        if page.next is None:
            break
        assert len(page.stamps) == 3
        wanted = replace(wanted, cursor=page.next)

    assert [rows.id_of(stamp) for stamp in stamps] == expected
    assert stamps == [rows.stamp_of(rows.one(one, owner_id=owner.id)) for one in expected]
    assert f"{ended[0]}:e1" in stamps


def test_a_list_that_filters_looks_at_a_window_and_goes_on_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rows, "WINDOW", 2)
    owner = ann()
    oldest = str(queued(owner, "a whale"))
    for _ in range(3):
        queued(owner, "a shark")

    first = get(owner, "jobs?text=WHALE")
    second = get(owner, first.json()["next"])

    assert (ids(first), ids(second)) == ([], [oldest])


def test_each_filter_gives_what_fits_it() -> None:
    owner, stranger = ann(), cy()
    done = str(succeeded(owner).id)
    live = str(running(owner).id)
    waiting = str(queued(owner, "50% _blue_ whale"))
    queued(stranger, "50% _blue_ whale")

    assert ids(get(owner, "jobs?status=succeeded")) == [done]
    assert ids(get(owner, "jobs?status=live&day=all")) == [waiting, live]
    assert ids(get(owner, "jobs?status=running,queued")) == [waiting, live]
    assert ids(get(owner, "jobs?status=ended")) == [done]
    assert ids(get(owner, "jobs?text=50%25 _Blue_")) == [waiting]
    assert ids(get(owner, "jobs?model=preview")) == [waiting, live, done]
    assert ids(get(owner, "jobs?model=other")) == []
    assert ids(get(owner, f"jobs?batch={uuid4()}")) == []


def test_a_day_is_the_days_of_the_zone() -> None:
    owner = ann()
    job_id = queued(owner)
    Job.objects.filter(id=job_id).update(created_at="2026-03-29T00:30:00Z")

    def days_of(zone: str) -> list[str]:
        return [
            day
            for day in ("2026-03-28", "2026-03-29")
            if ids(get(owner, f"jobs?day={day}&tz={zone}"))
        ]

    assert days_of("Europe/Lisbon") == ["2026-03-29"]
    assert days_of("America/New_York") == ["2026-03-28"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=f_________8AAAAAAAAAAAAAAAAAAAAA", "cursor"),
        ("batch=7", "batch"),
        ("fields=id,secret", "fields"),
        ("text=" + "x" * 101, "text"),
        ("text=%00", "text"),
        ("page=2", "page"),
        ("tz=Mars/Olympus", "tz"),
        ("day=tomorrow", "day"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, field: str) -> None:
    response = get(ann(), f"jobs?{query}")

    assert response.status_code == 400
    assert field in {error["field"] for error in response.json()["errors"]}


def test_only_the_fields_that_were_asked_for_are_answered() -> None:
    owner = ann()
    job_id = queued(owner)

    assert get(owner, "jobs?fields=id,state").json()["jobs"] == [
        {"id": str(job_id), "state": "queued"}
    ]
    assert get(owner, f"jobs/{job_id}?fields=progress").json() == {"progress": 0}


@pytest.mark.parametrize("path", ["jobs/{id}", "jobs", "today"])
def test_a_tag_holds_until_the_job_changes(path: str) -> None:
    owner = ann()
    job = running(owner)
    address = path.format(id=job.id)
    tag = get(owner, address).headers["ETag"]

    same = get(owner, address, **{"If-None-Match": f'"x", W/{tag}'})
    Lease.objects.filter(job=job).update(percent=40)
    moved = get(owner, address, **{"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert moved.status_code == 200
    assert moved.headers["ETag"] != tag


def test_a_tag_of_one_question_answers_no_other() -> None:
    owner = ann()
    succeeded(owner)
    tag = get(owner, "jobs").headers["ETag"]

    assert get(owner, "jobs?fields=id", **{"If-None-Match": tag}).status_code == 200
    assert get(owner, "jobs?tz=Asia/Tokyo", **{"If-None-Match": tag}).status_code == 200
    assert get(cy(), "jobs", **{"If-None-Match": tag}).status_code == 200


def test_a_304_comes_after_the_checks_of_key_and_owner() -> None:
    owner, stranger = ann(), cy()
    job = succeeded(owner)
    tag = get(owner, f"jobs/{job.id}").headers["ETag"]
    nobody = Person(user=owner.user, api_key="vg_nobody")

    for sent in (tag, "*"):
        known = {"If-None-Match": sent}
        assert get(stranger, f"jobs/{job.id}", **known).status_code == 404
        assert get(nobody, f"jobs/{job.id}", **known).status_code == 401
        assert get(nobody, "jobs", **known).status_code == 401


def test_a_304_of_a_list_reads_no_jobs(django_assert_num_queries: Any) -> None:
    owner = ann()
    job = succeeded(owner)
    tag = get(owner, "jobs").headers["ETag"]

    with django_assert_num_queries(1):
        assert get(owner, "jobs", **{"If-None-Match": tag}).status_code == 304
    with django_assert_num_queries(1):
        assert get(owner, "jobs").status_code == 200
    with django_assert_num_queries(1):
        assert get(owner, f"jobs/{job.id}").status_code == 200


def test_a_list_of_what_waits_is_known_for_two_seconds(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    owner = ann()
    queued(owner)
    outlooks.forget()
    now, known_at = 1_800_000_000.0, time.monotonic()
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "monotonic", lambda: known_at)
    tag = get(owner, "jobs").headers["ETag"]
    known = {"If-None-Match": tag}

    now += 1.0
    with django_assert_num_queries(1):
        young = get(owner, "jobs", **known)
    now += 1.0
    old = get(owner, "jobs", **known)
    queued(owner)
    changed = get(owner, "jobs", **{"If-None-Match": old.headers["ETag"]})

    assert (young.status_code, young.headers["ETag"]) == (304, tag)
    assert old.status_code == 200
    assert old.headers["ETag"] != tag
    assert (changed.status_code, len(ids(changed))) == (200, 2)


_HOURS = [
    ("Europe/Lisbon", "2026-03-29", 23),
    ("Europe/Lisbon", "2026-10-25", 25),
    ("America/New_York", "2026-11-01", 25),
    ("Australia/Lord_Howe", "2026-04-05", 24.5),
    # At midnight itself: it does not come, or comes twice.
    ("Africa/Cairo", "2026-04-24", 23),
    ("America/Havana", "2026-11-01", 25),
    ("Asia/Kathmandu", "2026-06-01", 24),
]


@pytest.mark.parametrize(("zone", "day", "hours"), _HOURS)
def test_a_day_is_as_long_as_the_clock_makes_it_and_the_next_begins_at_its_end(
    zone: str, day: str, hours: float
) -> None:
    owner = ann()
    place, date = ZoneInfo(zone), datetime.fromisoformat(day).date()
    first, end = (moment.astimezone(UTC) for moment in days.bounds(date, zone=place))
    inside = {str(queued(owner)): at for at in (first, end - timedelta(microseconds=1))}
    outside = {str(queued(owner)): at for at in (first - timedelta(microseconds=1), end)}
    for job_id, at in (inside | outside).items():
        Job.objects.filter(id=job_id).update(created_at=at)
    User.objects.filter(id=owner.id).update(time_zone=zone)
    keys.forget()

    # The zone of the profile, and the one that is named.
    for query in (f"day={day}", f"day={day}&tz={zone}"):
        listed = ids(get(owner, f"jobs?{query}"))
        today = get(owner, f"today?{query}").json()
        assert set(listed) == set(inside), query
        assert today["counts"]["live"] == 2
        assert {job["id"] for job in today["jobs"]} == set(inside)
    assert (end - first) / timedelta(hours=1) == hours
    assert days.bounds(date + timedelta(days=1), zone=place)[0].astimezone(UTC) == end


def test_one_call_gives_a_status_page_all_it_shows() -> None:
    owner = ann()
    old = queued(owner)
    _created(old, timedelta(days=2))
    done, live = succeeded(owner), running(owner)
    Job.objects.filter(id__in=[done.id, live.id]).update(created_at=timezone.now())

    body = get(owner, "today?fields=id").json()

    assert [job["id"] for job in body["earlier"]] == [str(old)]
    assert {job["id"] for job in body["jobs"]} == {str(done.id), str(live.id)}
    assert (body["counts"]["succeeded"], body["counts"]["live"]) == (1, 1)
    assert body["credits"] == {"balance": 10_000 - 12, "held": 8, "charged_today": 4}
    assert body["tier"] == "pro"
    assert {limit["name"]: limit["used"] for limit in body["limits"]}["running"] == 2
    assert body["follow"]["push_url"].startswith("http://testserver:")


_MANY = """
insert into job (id, owner_id, tier_id, state, attempt, failed_count, version, prompt, model, seconds,
    size, estimate, credits_reserved, credits_charged, progress, video_url, thumbnail_url, error_code,
    error_message, created_at, finished_at, batch_id)
select gen_random_uuid(), %s, 'pro', 'failed', 0, 0, 1, 'a whale', 'preview', 4, '854x480', 1, 4, 0, 0,
    '', '', '', '', now() - n * interval '1 minute', now(), case when n %% 500 = 0 then %s::uuid end
from generate_series(1, 20000) n
"""


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("", 300),
        ("day=all", 300),
        ("day=all&status=live", 300),
        ("day=all&status=succeeded", 3_000),
        ("day=all&text=shark", 3_000),
        ("day=all&model=other&status=failed", 3_000),
        ("batch=00000000-0000-7000-8000-000000000001", 500),
    ],
)
def test_a_page_touches_a_bounded_number_of_rows(query: str, most: int) -> None:
    owner = ann()
    with connection.cursor() as cursor:
        cursor.execute(_MANY, [owner.id, "00000000-0000-7000-8000-000000000001"])
        cursor.execute("analyze job")
    wanted = filters.read(QueryDict(query), zone=_utc())
    statement = rows.page_statement(wanted.shape)
    with connection.cursor() as cursor:
        cursor.execute(
            "explain (analyze, format json) " + statement, wanted.parameters(owner.id, window=1_000)
        )
        (plan,) = cursor.fetchone()[0]

    assert _touched(plan["Plan"]) <= most


def _touched(node: dict[str, Any]) -> float:
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    scans = own * node["Actual Loops"] if "Scan" in node["Node Type"] else 0
    return float(scans + sum(_touched(child) for child in node.get("Plans", ())))


def _utc() -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo("UTC")


def test_a_deleted_job_is_in_no_list() -> None:
    owner = ann()
    job = succeeded(owner)
    Job.objects.filter(id=job.id).update(hidden_at=timezone.now())

    assert get(owner, f"jobs/{job.id}").status_code == 404
    assert get(owner, f"jobs/{job.id}/timeline").status_code == 404
    assert ids(get(owner, "jobs")) == []
    assert get(owner, "today").json()["counts"]["succeeded"] == 0
    assert send(owner, f"jobs/{job.id}/variations", {}).status_code == 404
