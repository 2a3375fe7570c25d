"""Waking the loops that rest: who does it, and that it is heard."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db.models.functions import Now
from redis.client import PubSub

from jobs import edits, inbox, ledger, pools, removal, transitions
from jobs.backends.backend import Submitted
from jobs.ids import JobId
from jobs.models import Job, Lease
from notifications import deliveries, outbox, wakeup, webhook_endpoints
from notifications.models import Delivery
from notifications.relay import Relay
from scheduler import dispatch, sweeps
from tests.factories import VIDEO, ann, dispatched, queued, succeeded
from tests.jobs.servers import ScriptedServer, attempt_of, handed_over, server

__all__ = ["server"]

Heard = Callable[[], set[str]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Give what says which loops were woken since it was asked last."""
    pool = redis.ConnectionPool.from_url(settings.REDIS_URL)
    with PubSub(pool, ignore_subscribe_messages=True) as channel:
        channel.subscribe(wakeup._CHANNEL)
        # The answer to the subscription.
        channel.get_message(timeout=10)

        def ask() -> set[str]:
            wakeup.wake("asked")
            found: set[str] = set()
            # What was told before comes before, or with it.
            while message := channel.get_message(timeout=0.3 if "asked" in found else 10):
                _, *loops = message["data"].decode().split()
                found |= {loop.partition(":")[0] for loop in loops}
            return found - {"asked"}

        ask()
        yield ask


@pytest.mark.django_db(transaction=True)
def test_whatever_is_to_be_granted_or_told_wakes_who_does_it(heard: Heard) -> None:
    owner = ann()
    queued(owner)
    assert heard() == {"dispatcher", "relay"}

    dispatch.grant_free_slots()
    assert heard() == {"relay"}

    job = JobId(Job.objects.get().id)
    transitions.start(job, attempt=1)
    assert heard() == {"relay"}

    transitions.succeed(job, attempt=1, video=VIDEO)
    assert heard() == {"dispatcher", "relay"}

    removal.remove(job, owner_id=owner.id)
    assert heard() == {"relay"}

    waiting = queued(owner)
    heard()
    edits.edit(waiting, owner_id=owner.id, prompt="a seal", seed=None)
    assert heard() == {"relay"}

    ledger.grant(owner.id, amount=5, reason="a test", reference="a test")
    assert heard() == {"relay"}

    outbox.record("key.created", subject_id=owner.id, owner_id=owner.id, payload={})
    assert heard() == {"relay"}


@pytest.mark.django_db(transaction=True)
def test_a_change_of_capacity_and_a_retry_that_is_due_wake_the_dispatcher(heard: Heard) -> None:
    owner = ann()
    heard()
    pools.set_capacity({"preview": 1}, actor="ops", reason="a test")
    assert heard() == {"dispatcher"}

    job = dispatched(owner)
    heard()
    Job.objects.filter(id=job.id).update(state="queued", due_at=Now() - timedelta(seconds=1))
    Lease.objects.all().delete()
    sweeps.return_due_retries()
    assert heard() == {"dispatcher"}


@pytest.mark.django_db(transaction=True)
def test_hints_and_cancels_wake_the_poller(server: ScriptedServer, heard: Heard) -> None:
    owner = ann()
    job = handed_over(owner)
    assert "poller" not in heard()

    inbox._store("preview", "m1", attempt_of(job).backend_job_id, None)
    assert heard() == {"poller"}

    transitions.cancel(JobId(job.id), owner_id=owner.id)
    assert "poller" in heard()

    server.created = Submitted(backend_job_id="early")
    inbox._store("preview", "m2", "early", None)
    handed_over(owner)
    assert "poller" in heard()


@pytest.mark.django_db(transaction=True)
def test_a_planned_delivery_and_one_that_is_sent_again_wake_the_courier(
    heard: Heard, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    owner = ann()
    webhook_endpoints.create(owner.id, url="http://127.0.0.1:1/", event_types=["video.completed"])
    succeeded(owner)
    heard()
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass
    assert "courier" in heard()

    deliveries.replay(Delivery.objects.get(channel="webhook").id)
    assert heard() == {"courier"}


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_few_messages() -> None:
    pool = redis.ConnectionPool.from_url(settings.REDIS_URL)
    with PubSub(pool, ignore_subscribe_messages=True) as channel:
        channel.subscribe(wakeup._CHANNEL)
        channel.get_message(timeout=10)
        for _ in range(1000):
            wakeup.wake("a test")

        count = 0
        while channel.get_message(timeout=0.2) is not None:
            count += 1
    assert 1 <= count < 100


def _woken_elsewhere(*loops: str) -> None:
    redis.Redis.from_url(settings.REDIS_URL).publish(
        wakeup._CHANNEL, "\n".join(["another", *loops])
    )


def _opened(listener: wakeup.Listener, loop: str) -> wakeup.Ear:
    """Give an ear that waits for what comes next: what was told before it listened was missed."""
    ear = listener.listen(loop)
    assert ear.woken.wait(10)
    assert ear.hears
    ear.woken.clear()
    return ear


def test_one_thread_listens_for_all_loops_of_a_process() -> None:
    listener = wakeup.Listener()
    first, second, third = (_opened(listener, name) for name in ("a test", "a test", "another"))

    _woken_elsewhere("nobody", "a test")

    assert first.woken.wait(10)
    assert second.woken.wait(10)
    assert not third.woken.is_set()


def test_loops_of_the_same_process_hear_at_once_and_only_once() -> None:
    ear = _opened(wakeup._listener, "this test")

    wakeup.wake("this test")
    assert ear.woken.is_set()

    ear.woken.clear()
    assert not ear.woken.wait(0.3)


def test_a_loop_hears_only_what_it_heeds() -> None:
    told: list[str] = []

    def heeds(what: str) -> bool:
        told.append(what)
        return what != "preview"

    listener = wakeup.Listener()
    ear = listener.listen("a test", heeds=heeds)
    assert ear.woken.wait(10)
    ear.woken.clear()

    listener.hear([wakeup.about("a test", "preview")])
    assert not ear.woken.is_set()
    listener.hear([wakeup.about("a test", "final")])
    assert ear.woken.is_set()
    ear.woken.clear()
    listener.hear(["a test"])
    assert ear.woken.is_set()
    assert told == ["preview", "final", ""]


def test_silence_is_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "_LISTENS", 0.01)
    ear = _opened(wakeup.Listener(), "a test")

    # Many answers later.
    assert not ear.woken.wait(0.5)
    assert ear.hears
    _woken_elsewhere("a test")
    assert ear.woken.wait(10)


def test_a_server_that_does_not_answer_is_heard_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeup, "_LISTENS", 0.01)
    monkeypatch.setattr(wakeup, "_ANSWERS", 0.0)
    ear = _opened(wakeup.Listener(), "a test")

    deadline = time.monotonic() + 10
    while ear.hears:
        assert time.monotonic() < deadline


def test_whoever_cannot_listen_knows_it(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1"

    ear = wakeup.Listener().listen("a test")

    assert not ear.woken.wait(0.5)
    assert not ear.hears
