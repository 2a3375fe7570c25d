"""Fifty calls over HTTP at the edge of a plan's windows: single and batched, with two keys, never more than fit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db.models import Max, Min

from jobs.errors import Busy
from jobs.models import Account, Job, Tier
from tests.api.calls import send
from tests.factories import Person, cy
from tests.races import at_once
from videogen.accounts import keys

pytestmark = pytest.mark.django_db(transaction=True)

_LIMIT = 20
_BATCH = 3
_BUSY = Busy.code
_TODAY = datetime.now(UTC).date()


def _single(caller: Person, number: int) -> int:
    answer = send(caller, "jobs", {"prompt": f"a whale {number}"})
    # Fifty at once may wait too long for each other where the machine is slow: whoever is told so comes back.
    while answer.json().get("code") == _BUSY:
        answer = send(caller, "jobs", {"prompt": f"a whale {number}"})
    _expect_refusal(answer.json() if answer.status_code != 202 else None)
    return int(answer.status_code == 202)


def _batch(caller: Person, number: int) -> int:
    wanted = [{"prompt": f"a whale {number} {each}"} for each in range(_BATCH)]
    answer = send(caller, "batches", {"jobs": wanted})
    assert answer.status_code == 202
    for result in answer.json()["results"]:
        if not (result["error"] and result["error"]["code"] == _BUSY):
            _expect_refusal(result["error"])
    return int(answer.json()["accepted"])


def _expect_refusal(said: dict[str, Any] | None) -> None:
    assert said is None or (said["code"], said["value"]) == ("quota_exceeded", _LIMIT), said


def _fifty(owner: Person) -> int:
    other = Person(user=owner.user, api_key=keys.create(owner.user, name="the phone"))
    acts: list[Callable[[], int]] = []
    for number in range(50):
        act = _batch if number % 5 == 0 else _single
        acts.append(partial(act, (owner, other)[number % 2], number))
    return sum(at_once.threads(acts))


@pytest.mark.parametrize("field", ["jobs_per_day", "queued_limit"])
@pytest.mark.parametrize("day", [_TODAY - timedelta(days=1), _TODAY, _TODAY + timedelta(days=1)])
def test_fifty_calls_against_a_limit_of_twenty_are_twenty_on_each_side_of_midnight(
    field: str, day: Any
) -> None:
    owner = cy()
    Tier.objects.filter(name="enterprise").update(**{field: _LIMIT})
    # As many as a day has were sent on the day before; or the new day has begun for others.
    Account.objects.update(day=day, day_jobs=_LIMIT if day < _TODAY else 0)

    accepted = _fifty(owner)

    account = Account.objects.get(owner_id=owner.id)
    assert accepted == Job.objects.count() == account.day_jobs == _LIMIT
    assert account.day == max(day, _TODAY)


@pytest.mark.parametrize("left", [_LIMIT, 5, 0])
def test_fifty_calls_at_the_edge_of_a_minute_are_what_is_left_of_it(left: int) -> None:
    owner = cy()
    Tier.objects.filter(name="enterprise").update(submissions_per_minute=_LIMIT)
    spacing = timedelta(minutes=1) / _LIMIT
    now = datetime.now(UTC)
    Account.objects.update(submitted_until=now + spacing * (_LIMIT - left))

    accepted = _fifty(owner)

    # What came in takes its time; a place becomes free each three seconds meanwhile.
    times = Job.objects.aggregate(first=Min("created_at"), last=Max("created_at"))
    meanwhile = ((times["last"] or now) - now) / spacing
    assert left <= accepted <= left + meanwhile
    assert accepted == Job.objects.count()
