"""Waking the dispatcher: who does it, and what a loop makes of it."""

import threading
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings
from redis.client import PubSub

from jobs import transitions, wakeup
from jobs.ids import JobId
from tests.factories import VIDEO, ann, dispatched, queued
from videogen.loops import Loop

# A pause that no test sits out.
FOR_EVER = 3600.0


@pytest.fixture
def heard() -> Iterator[PubSub]:
    """Listen to what the dispatcher listens to."""
    pool = redis.ConnectionPool.from_url(settings.REDIS_URL)
    with PubSub(pool, ignore_subscribe_messages=True) as channel:
        channel.subscribe(wakeup._CHANNEL)
        # The answer to the subscription.
        channel.get_message(timeout=10)
        yield channel


def _drain(channel: PubSub) -> None:
    while channel.get_message(timeout=0.2) is not None:
        pass


@pytest.mark.django_db(transaction=True)
def test_a_submission_and_an_end_that_frees_a_slot_wake_the_dispatcher(heard: PubSub) -> None:
    owner = ann()
    queued(owner)
    assert heard.get_message(timeout=10) is not None
    job = dispatched(owner)
    _drain(heard)

    transitions.start(JobId(job.id), attempt=1)
    assert heard.get_message(timeout=0.2) is None
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert heard.get_message(timeout=10) is not None


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_few_messages(heard: PubSub) -> None:
    for _ in range(1000):
        wakeup.wake()

    count = 0
    while heard.get_message(timeout=0.2) is not None:
        count += 1
    assert 1 <= count < 100


def test_whoever_listens_is_woken() -> None:
    woken = wakeup.listen()

    # Redis may not know of the subscription yet.
    while not woken.wait(0.05):
        wakeup.wake()


@pytest.mark.parametrize("who", ["woken", "stop"])
def test_a_pause_ends_when_there_is_work_or_the_end(who: str) -> None:
    loop = Loop(name="a test", start=bool, step=bool, idle=FOR_EVER, woken=threading.Event())
    getattr(loop, who).set()

    assert loop._has_stopped_in(FOR_EVER) is (who == "stop")
    assert loop.woken is not None
    assert not loop.woken.is_set()
