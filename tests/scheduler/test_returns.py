"""Slots that come back by themselves: when, told to whom, and how an operator takes it back."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from jobs import notices, pools
from jobs.errors import InvalidField
from jobs.models import Pool, PoolChange
from scheduler import returns
from scheduler.models import Act
from tests.factories import published
from tests.scheduler.staff import operator
from tests.scheduler.test_foresight import a_queue

pytestmark = pytest.mark.django_db(transaction=True)


def test_slots_come_back_by_themselves_at_the_time_that_was_named() -> None:
    a_queue()
    back = timezone.now() + timedelta(hours=3)
    pools.set_capacity({"preview": 4}, actor="ops", reason="A rack is moved.", restore_at=back)
    published()
    told = notices.of_capacity("pro", zone=ZoneInfo("Asia/Tokyo"))
    assert returns.give_back() == 0

    Pool.objects.update(restore_at=Now() - timedelta(seconds=1))
    assert (returns.give_back(), returns.give_back()) == (1, 0)

    pool, act = Pool.objects.get(), Act.objects.get()
    assert (pool.slots, pool.usual_slots, pool.restore_at) == (8, None, None)
    assert told is not None
    assert f"back at {back.astimezone(ZoneInfo('Asia/Tokyo')):%H:%M}" in told.sentence
    assert (act.actor, act.verb, act.subject) == ("the clock", "pool.restore", "preview")
    assert PoolChange.objects.latest("id").changed["slots"] == [4, 8]
    published()
    assert notices.of_capacity("pro", zone=ZoneInfo("UTC")) is None


@pytest.mark.parametrize(
    ("slots", "ahead"), [(4, -1), (4, 31 * 86_400), (8, 3_600)], ids=["past", "far", "no cut"]
)
def test_a_return_that_makes_no_sense_is_refused_by_its_field(slots: int, ahead: int) -> None:
    a_queue()
    back = timezone.now() + timedelta(seconds=ahead)

    with pytest.raises(InvalidField) as refused:
        pools.set_capacity({"preview": slots}, actor="ops", reason="why", restore_at=back)

    assert refused.value.field == "restore_at"
    assert Pool.objects.get().slots == 8


def test_who_changes_slots_again_or_restores_them_takes_the_return_with_it() -> None:
    a_queue()
    back = timezone.now() + timedelta(hours=1)
    found = []
    for again in (
        lambda: pools.set_capacity({"preview": 2}, actor="ops", reason="Worse."),
        lambda: pools.restore(["preview"], actor="ops", reason="Repaired."),
    ):
        pools.set_capacity({"preview": 4}, actor="ops", reason="why", restore_at=back)
        again()
        found.append(Pool.objects.get().restore_at)

    assert found == [None, None]


def test_an_operator_names_the_end_of_a_cut_and_takes_it_back() -> None:
    client = operator()
    back = (timezone.now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    cut = {"slots-preview": "1", "reason": "A fan broke."}

    refused = client.post("/console/capacity", {**cut, "restore_at": "tonight"})
    done = client.post("/console/capacity", {**cut, "restore_at": back}, follow=True)
    banner = client.get("/console/").content.decode()
    named = Pool.objects.get().restore_at
    kept = client.post("/console/capacity", {"keep": "1"}, follow=True)

    assert refused.status_code == 422
    assert "Name a day and a time" in refused.content.decode()
    assert "They come back at" in done.content.decode()
    assert named is not None
    assert named.strftime("%Y-%m-%dT%H:%M") == back
    assert "has its slots back at" in banner
    assert "stay as they are until somebody restores them" in kept.content.decode()
    assert (Pool.objects.get().restore_at, Pool.objects.get().slots) == (None, 1)
    assert list(Act.objects.order_by("id").values_list("verb", flat=True)) == [
        "pool.capacity",
        "pool.keep",
    ]
