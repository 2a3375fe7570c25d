"""What each loop rests for: nothing that is due waits for a wake-up, and one that is lost costs a second at most."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from jobs import polling, pools
from jobs.models import Job, Lease, LineOutlook, Pool
from notifications import relay as relays
from notifications.courier import Courier
from notifications.models import Route
from notifications.relay import Relay
from scheduler import publisher as publishers
from scheduler.dispatcher import Dispatcher
from scheduler.publisher import Publisher
from tests.factories import ann, bob, dispatched, queued
from videogen.management.commands import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _let_go_of_locks() -> Iterator[None]:
    yield
    connection.close()


def test_no_loop_rests_for_more_than_a_second() -> None:
    loops = [make() for role in run._LOOPS.values() for make in role]
    for loop in loops:
        loop.start()
        # What is due at the start, and then nothing.
        while loop.step():
            pass

    rests = {loop.name: max(loop.idle, loop.rest()) for loop in loops if loop.ear}

    for loop in loops:
        loop.close()
    assert rests.keys() == {"dispatcher", "publisher", "relay", "poller", "courier"}
    assert max(rests.values()) <= 1.0
    assert min(rests.values()) > 0.9


def test_the_dispatcher_rests_only_while_nobody_waits() -> None:
    dispatcher = Dispatcher()
    dispatcher.step()
    assert dispatcher.rest > 0.9

    Pool.objects.update(slots=0)
    queued(ann())
    dispatcher.step()

    assert dispatcher.rest == 0.0


def test_the_dispatcher_looks_in_time_for_messages_that_were_lost() -> None:
    dispatcher = Dispatcher()
    dispatcher.step()
    dispatcher._looked_at -= 2.75

    assert 0.0 < dispatcher.rest <= 0.25


def test_a_relay_without_all_shards_looks_for_them_in_time() -> None:
    relay = Relay()
    relay.acquire_shards()
    assert relay.rest == relays._REST

    relay._shards.discard(3)
    relay._looked_at -= 0.75

    assert 0.0 < relay.rest <= 0.25


def test_the_poller_rests_until_an_order_is_to_be_asked_about() -> None:
    poller = polling.Poller()
    assert (poller.claim(), poller.rest) == (0, 1.0)

    dispatched(ann())
    Lease.objects.update(poll_at=Now() + timedelta(seconds=0.5))
    assert poller.claim() == 0
    assert 0.0 < poller.rest <= 0.5

    Lease.objects.update(poll_at=Now() + timedelta(seconds=500))
    poller.claim()
    assert poller.rest == 1.0
    poller.close()


def test_the_courier_rests_until_a_route_has_its_turn() -> None:
    courier = Courier()
    courier.step(timeout=0.0)
    assert courier.rest == 1.0

    Route.objects.create(channel="webhook", target="a", next_at=Now() + timedelta(seconds=500))
    Route.objects.create(channel="email", target="b", next_at=Now() + timedelta(seconds=0.5))
    courier.step(timeout=0.0)
    assert 0.0 < courier.rest <= 0.5

    Route.objects.filter(channel="email").update(next_at=Now())
    courier.step(timeout=0.0)
    assert courier.rest <= 0.0
    courier.close()


def _published_at() -> object:
    return LineOutlook.objects.order_by("taken_at").values_list("taken_at", flat=True).last()


def _at_rest() -> Publisher:
    """Give a publisher that has told that nothing waits, some seconds ago."""
    ann()
    publisher = Publisher()
    publisher.step()
    publisher._published_at -= publishers.EVERY
    publisher._rested = 0.0
    assert not publisher.step()
    return publisher


def test_the_publisher_writes_seldom_while_nothing_waits() -> None:
    publisher = _at_rest()
    before = _published_at()
    assert publisher.rest > 0.9

    publisher._published_at -= publishers.AT_REST
    assert publisher.step()
    assert _published_at() != before


@pytest.mark.parametrize("what", ["a job", "a job that was granted at once", "capacity"])
def test_the_publisher_at_rest_writes_as_soon_as_something_comes(what: str) -> None:
    publisher = _at_rest()

    match what:
        case "a job":
            queued(bob())
        case "capacity":
            pools.change("preview", actor="ops", reason="a test", state="paused")
        case _:
            dispatched(bob())
            assert not Job.objects.filter(state="queued").exists()

    assert publisher.step()


def test_after_the_last_job_it_is_soon_told_that_nothing_waits() -> None:
    publisher = _at_rest()
    dispatched(bob())
    assert publisher.step()
    publisher._rested = 0.0
    assert not publisher.step()
    assert publisher.rest == 0.0

    publisher._published_at -= publishers.EVERY
    publisher._rested = 0.0
    assert publisher.step()
    publisher._rested = 0.0
    publisher.step()

    assert publisher.rest > 0.9


def test_a_publisher_that_is_woken_all_the_time_looks_by_the_clock(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishers, "_GLANCE", 60.0)
    publisher = _at_rest()
    queued(bob())
    publisher.step()
    publisher._rested = 0.0
    assert not publisher.step()

    with django_assert_num_queries(0):
        assert not publisher.step()
