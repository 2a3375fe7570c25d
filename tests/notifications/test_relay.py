"""From the outbox to the feed: order, no gaps, nothing twice."""

import pytest

from jobs import transitions
from jobs.ids import JobId
from notifications import feed
from notifications.models import Notification, OutboxEvent
from notifications.relay import Relay
from tests.factories import VIDEO, ann, bob, dispatched, queued

pytestmark = pytest.mark.django_db(transaction=True)


def _relay() -> Relay:
    relay = Relay()
    assert relay.acquire_shards() == 16
    return relay


def test_an_owner_hears_every_event_once_in_order() -> None:
    owner = ann()
    job = dispatched(owner)
    transitions.start(JobId(job.id), attempt=1)
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)
    relay = _relay()

    while relay.step():
        pass

    events, head, more = feed.after(owner.id, sequence=0)
    assert [event["name"] for event in events] == [
        "job.submitted",
        "job.dispatched",
        "job.started",
        "job.succeeded",
    ]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert (head, more) == (4, False)
    assert Notification.objects.filter(owner_id=owner.id, name="job.succeeded").count() == 1


def test_owners_have_numbers_of_their_own() -> None:
    first, second = ann(), bob()
    for owner in (first, second, first):
        queued(owner)

    _relay().step()

    assert (feed.head(first.id), feed.head(second.id)) == (2, 1)


def test_a_crash_before_the_mark_gives_the_same_numbers_again() -> None:
    owner = ann()
    queued(owner)
    relay = _relay()
    relay.step()
    OutboxEvent.objects.update(relayed_at=None)

    assert relay.step() == 1

    assert OutboxEvent.objects.get().sequence == 1
    assert feed.head(owner.id) == 1


def test_catching_up_gives_only_what_is_newer() -> None:
    owner = ann()
    for _ in range(3):
        queued(owner)
    _relay().step()

    events, _, _ = feed.after(owner.id, sequence=2)

    assert [event["sequence"] for event in events] == [3]
