"""The native API at its limits: refusals that say which and when, standby, waiting with ranges, quotes."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Account, Door, Job, Line, Ticket, Tier
from scheduler.publisher import Publisher
from tests.factories import Person, ann, queued

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/jobs"


def _full_door(owner: Person) -> None:
    tier = Account.objects.get(owner_id=owner.id).tier_id
    line = Line.objects.get(tier_id=tier, kind="preview")
    full = {"bound": 100.0, "drain": 1.0, "work": 98.0}
    Door.objects.update_or_create(line=line, defaults=full)


def test_a_full_line_is_503_with_its_limit_a_time_and_standby() -> None:
    owner = ann()
    _full_door(owner)

    answer = _submit(owner)

    body = answer.json()
    assert (answer.status_code, body["code"], body["limit"]) == (503, "tier_full", "line")
    assert (body["value"], body["used"], body["standby_offered"]) == (100.0, 98.0, True)
    assert 12 <= int(answer.headers["Retry-After"]) <= 15
    standby = _submit(owner, standby=True)
    assert (standby.status_code, standby.json()["standby"]) == (202, True)


def test_a_limit_of_the_plan_is_429_with_its_value_and_use() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(submissions_per_minute=1)
    _submit(owner)

    answer = _submit(owner)

    body = answer.json()
    assert answer.status_code == 429
    assert (body["limit"], body["value"], body["used"]) == ("submissions_per_minute", 1, 1)
    assert 50 <= int(answer.headers["Retry-After"]) <= 60


def test_a_waiting_job_shows_its_place_and_its_ranges() -> None:
    owner = ann()
    job_id = queued(owner)
    Publisher().publish()

    one = Client().get(f"{JOBS}/{job_id}", headers=owner.headers).json()["waiting"]
    (listed,) = Client().get(JOBS, headers=owner.headers).json()["jobs"]

    assert (one["reason"], one["position"]) == ("slots_busy", 0)
    assert one["start_range"][0] < one["start_range"][1] <= one["finish_range"][1]
    assert listed["waiting"]["reason"] == "slots_busy"


def test_a_quote_says_cost_wait_and_what_is_in_the_way_and_writes_nothing() -> None:
    owner = ann()
    Publisher().publish()

    free = _quote(owner)
    _full_door(owner)
    full = _quote(owner)

    assert (free["credits"], free["refusal"]) == (4, None)
    assert free["waiting"]["start_range"] is not None
    assert (full["refusal"]["code"], full["waiting"]) == ("tier_full", None)
    assert not Ticket.objects.exists()
    assert not Job.objects.exists()


def _quote(owner: Person) -> dict[str, Any]:
    found: dict[str, Any] = (
        Client()
        .post(
            "/api/v1/quotes",
            {"prompt": "x", "seconds": 4},
            "application/json",
            headers=owner.headers,
        )
        .json()
    )
    return found


def _submit(owner: Person, **more: Any) -> Any:
    body = {"prompt": "x", "seconds": 4, **more}
    return Client().post(JOBS, body, "application/json", headers=owner.headers)
