"""Timeline, limits and their headers, money, notifications, offers, ends that are announced."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import RequestFactory
from django.urls import ResolverMatch

from jobs.api import deprecations
from jobs.api.deprecations import Deprecation
from notifications.relay import Relay
from tests.api.calls import get, send
from tests.factories import ann, bob, cy, published, queued, running, second_attempt, succeeded

pytestmark = pytest.mark.django_db


def test_a_timeline_tells_moves_tries_and_money() -> None:
    owner = ann()
    job = succeeded(owner)

    story = get(owner, f"jobs/{job.id}/timeline").json()

    assert [event["event"] for event in story["events"]] == [
        "submitted",
        "granted",
        "started",
        "succeeded",
    ]
    assert [attempt["outcome"] for attempt in story["attempts"]] == ["succeeded"]
    assert [(entry["kind"], entry["held_delta"]) for entry in story["credits"]] == [
        ("reserve", 4),
        ("capture", -4),
    ]
    parts = ("waiting_seconds", "starting_seconds", "running_seconds")
    assert story["durations"]["total_seconds"] == pytest.approx(
        sum(story["durations"][part] for part in parts), abs=0.01
    )
    assert story["events"][-1]["seconds"] is None
    assert get(cy(), f"jobs/{job.id}/timeline").status_code == 404


def test_a_second_try_is_in_the_timeline() -> None:
    owner = ann()
    job = running(owner)
    second_attempt(job)

    story = get(owner, f"jobs/{job.id}/timeline").json()

    assert "requeued" in [event["event"] for event in story["events"]]
    assert [attempt["number"] for attempt in story["attempts"]] == [1, 2]


def test_answers_carry_the_policy_and_submits_what_is_left() -> None:
    owner = bob()

    made = send(owner, "jobs", {"prompt": "a whale"})

    policy = made.headers["RateLimit-Policy"].split(", ")
    assert '"queued";q=10;qu="jobs"' in policy
    assert '"submissions_per_minute";q=20;qu="jobs";w=60' in policy
    assert made.headers["RateLimit"] == '"queued";r=9'
    assert get(owner, "jobs").headers["RateLimit-Policy"] == made.headers["RateLimit-Policy"]


def test_a_refusal_says_which_limit_its_value_and_when_to_come_back() -> None:
    owner = bob()
    for _ in range(10):
        queued(owner)

    published()
    refused = send(owner, "jobs", {"prompt": "one more"})

    body = refused.json()
    assert (refused.status_code, body["limit"], body["value"]) == (429, "queued", 10)
    wait = int(refused.headers["Retry-After"])
    assert refused.headers["RateLimit"] == f'"queued";r=0;t={wait}'
    fits = datetime.fromisoformat(body["fits_at"])
    assert abs((fits - datetime.now(UTC)).total_seconds() - wait) < 30


def test_limits_say_what_is_used_and_when_they_reset() -> None:
    owner = bob()
    running(owner)
    queued(owner)

    body = get(owner, "limits").json()

    used = {
        limit["name"]: (limit["value"], limit["used"], limit["left"]) for limit in body["limits"]
    }
    assert used["running"] == (2, 1, 1)
    assert used["queued"] == (10, 1, 9)
    assert used["jobs_per_day"] == (25, 2, 23)
    resets = {limit["name"]: limit["resets_at"] for limit in body["limits"]}
    assert resets["running"] is None
    assert resets["jobs_per_day"].endswith("T00:00:00Z")
    assert get(owner, "limits?tz=Mars").status_code == 400


def test_the_ledger_is_read_in_pages() -> None:
    owner = ann()
    for _ in range(3):
        queued(owner)

    first = get(owner, "credits/ledger?limit=3").json()
    second = get(owner, first["next"]).json()

    assert [entry["kind"] for entry in first["entries"] + second["entries"]] == [
        "reserve",
        "reserve",
        "reserve",
        "grant",
    ]
    assert second["next"] is None
    assert get(owner, "credits").json() == {"balance": 9_988, "held": 12}
    assert get(owner, "credits/ledger?cursor=x").status_code == 400


@pytest.mark.django_db(transaction=True)
def test_notifications_are_read_one_by_one_or_up_to_a_number() -> None:
    owner, stranger = ann(), cy()
    for _ in range(3):
        succeeded(owner)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass

    listed = get(owner, "notifications?limit=2").json()
    newest, middle = (note["id"] for note in listed["notifications"])
    foreign = send(stranger, f"notifications/{newest}", {"is_read": True}, method="PATCH")
    read = send(owner, f"notifications/{middle}", {"is_read": True}, method="PATCH").json()
    marked = send(owner, "notifications/read", {"up_to": middle}).json()
    unread = get(owner, "notifications?unread=true").json()

    assert (listed["unread"], foreign.status_code) == (3, 404)
    assert read["read_at"] is not None
    assert marked == {"marked": 1, "unread": 1}
    assert [note["id"] for note in unread["notifications"]] == [newest]
    again = send(owner, f"notifications/{middle}", {"is_read": False}, method="PATCH").json()
    assert again["read_at"] is None


def test_models_and_tiers_are_listed() -> None:
    owner = ann()

    (model,) = get(owner, "models").json()["models"]
    tiers = get(owner, "tiers").json()["tiers"]

    assert model["id"] == "preview"
    assert {"size": "854x480", "credits_per_second": 1} in model["sizes"]
    assert [tier["id"] for tier in tiers][-3:] == ["free", "pro", "enterprise"]


def test_a_route_that_will_end_says_so() -> None:
    from django.http import HttpResponse

    request = RequestFactory().get("/api/v1/old")
    request.resolver_match = ResolverMatch(lambda: None, (), {}, url_name="old")
    end = Deprecation(
        since=datetime(2027, 1, 1, tzinfo=UTC),
        ends=datetime(2027, 12, 31, tzinfo=UTC),
        link="https://videogen.example/changes",
    )
    answer = HttpResponse()

    deprecations.announce(request, answer, {("old", "GET"): end})  # type: ignore[arg-type]

    assert answer.headers["Deprecation"] == "@1798761600"
    assert answer.headers["Sunset"] == "Fri, 31 Dec 2027 00:00:00 GMT"
    assert 'rel="deprecation"' in answer.headers["Link"]


def test_no_route_ends_within_half_a_year_of_its_announcement() -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC)

    with pytest.raises(ValueError, match="180 days"):
        Deprecation(since=now, ends=now + timedelta(days=90), link="")
