"""Many targets at once: one that hangs slows nobody, and couriers share the work without doing it twice."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from notifications import deliveries, routes, webhook_endpoints
from notifications.channels import registry
from notifications.courier import Courier
from notifications.models import Delivery, Route
from proofs.sinks.running import Sink
from tests.factories import Person, ann, bob, cy, succeeded

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]


def listens(owner: Person, receiver: Sink, path: str) -> str:
    made, _ = webhook_endpoints.create(
        owner.id,
        url=f"http://127.0.0.1:{receiver.port}{path}",
        event_types=["video.completed"],
    )
    return str(made.id)


def test_a_target_has_only_so_many_under_way(receiver: Sink, relay_all: Run) -> None:
    owner = ann()
    target = listens(owner, receiver, "/hang")
    for _ in range(6):
        succeeded(owner)
    relay_all()
    channel = registry.channels()["webhook"]

    first = deliveries.claim(channel, room=20)
    second = deliveries.claim(channel, room=20)

    assert [parcel.target for parcel in first] == [target] * channel.per_target
    assert second == []


def test_targets_that_were_never_reached_get_few_places(receiver: Sink, relay_all: Run) -> None:
    owners = [ann(), bob(), cy()]
    for number in range(12):
        listens(owners[number % 3], receiver, f"/status/500/{number}")
    trusted = Route.objects.create(
        channel="webhook",
        target=listens(owners[0], receiver, "/ok"),
        succeeded_at="2026-01-01T00:00:00Z",
    )
    for owner in owners:
        succeeded(owner)
    relay_all()
    channel = registry.channels()["webhook"]

    assert [one.target for one in deliveries.claim(channel, room=16, trusted=True)] == [
        trusted.target
    ]
    assert len(deliveries.claim(channel, room=8, trusted=False)) == 8


def test_couriers_side_by_side_send_everything_once(receiver: Sink, relay_all: Run) -> None:
    owners = [ann(), bob()]
    for owner in owners:
        for number in range(3):
            listens(owner, receiver, f"/ok/{number}")
        for _ in range(5):
            succeeded(owner)
    relay_all()

    def carry() -> None:
        courier = Courier(jitter=lambda: 0.5)
        try:
            while Delivery.objects.filter(state="scheduled").exists():
                courier.step(timeout=1)
        finally:
            courier.close()
            connection.close()

    threads = [threading.Thread(target=carry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    arrived = Counter((got["path"], got["id"]) for got in receiver.arrived())
    assert len(arrived) == 2 * 3 * 5
    assert set(arrived.values()) == {1}
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_failing_target_is_paused_with_everything_that_waits_for_it(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    listens(owner, receiver, "/status/500")
    for _ in range(8):
        succeeded(owner)
    relay_all()

    carry_all()

    # Three failures in a row, with two under way at once; the rest costs nobody a look.
    assert len(receiver.arrived()) in {3, 4}
    assert Route.objects.get().paused_until is not None
    assert Delivery.objects.filter(attempt=0).count() in {4, 5}


def test_a_dead_couriers_work_comes_back(receiver: Sink, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    listens(owner, receiver, "/ok")
    succeeded(owner)
    relay_all()
    (parcel,) = deliveries.claim(registry.channels()["webhook"], room=5)
    Delivery.objects.update(due_at=F("created_at"), claimed_until=F("created_at"))
    Route.objects.update(next_at="2020-01-01T00:00:00Z")

    carry_all()

    assert Delivery.objects.get().state == "delivered"
    assert Delivery.objects.get().attempt == parcel.attempt + 1


def test_a_route_that_was_forgotten_is_mended(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    listens(owner, receiver, "/ok")
    succeeded(owner)
    relay_all()
    Route.objects.update(next_at=None)
    Delivery.objects.update(due_at="2020-01-01T00:00:00Z")

    assert routes.mend() == 1
    carry_all()

    assert Delivery.objects.get().state == "delivered"


def test_nothing_is_written_twice_by_a_try_that_was_overtaken(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    listens(owner, receiver, "/ok")
    succeeded(owner)
    relay_all()
    channel = registry.channels()["webhook"]
    (slow,) = deliveries.claim(channel, room=5)
    send = channel.prepare(slow)
    Delivery.objects.update(due_at=F("created_at"), claimed_until=F("created_at"))
    Route.objects.update(next_at="2020-01-01T00:00:00Z")
    carry_all()

    from notifications import courier, results

    results.record(channel, slow, courier._carry(send), jitter=0.5)

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempt) == ("delivered", 2)
    assert list(delivery.attempts.order_by("number").values_list("outcome", flat=True)) == [
        "overtaken",
        "delivered",
    ]
    assert len({got["id"] for got in receiver.arrived()}) == 1


def test_one_owners_many_hanging_addresses_take_few_places(receiver: Sink, relay_all: Run) -> None:
    owner, other = ann(), bob()
    for number in range(10):
        listens(owner, receiver, f"/hang/{number}")
    theirs = listens(other, receiver, "/ok")
    for one in (owner, owner, other):
        succeeded(one)
    relay_all()
    channel = registry.channels()["webhook"]

    first = deliveries.claim(channel, room=8, per_owner=4)
    second = deliveries.claim(channel, room=8, per_owner=4)

    assert Counter(parcel.owner_id for parcel in first + second) == {owner.id: 4, other.id: 1}
    assert [parcel.target for parcel in second if parcel.owner_id == other.id] in ([theirs], [])
    # A place that becomes free is taken by the next address.
    Delivery.objects.filter(id=next(one.id for one in first if one.owner_id == owner.id)).update(
        claimed_until=None, due_at=None, state="skipped", ended_at=timezone.now()
    )
    assert [one.owner_id for one in deliveries.claim(channel, room=8, per_owner=4)] == [owner.id]
