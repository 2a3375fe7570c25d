"""From the outbox to the feed: order, no gaps, nothing twice."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from jobs import transitions
from jobs.ids import JobId
from notifications import feed, outbox, subscribers, subscriptions
from notifications.channels import registry
from notifications.event import Event
from notifications.models import FeedHead, Notification, OutboxEvent, ParkedEvent
from notifications.relay import Relay
from tests.factories import VIDEO, ann, bob, dispatched, queued, succeeded

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]


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
    assert _relay().step() == 1
    assert not OutboxEvent.objects.exclude(relayed_at=None).exists()

    # Another one, which does not know what the first had pushed.
    relay = _relay()
    assert relay.step() == 1

    assert OutboxEvent.objects.get().sequence == 1
    assert feed.head(owner.id) == 1


def test_what_was_pushed_is_marked_by_the_next_step_or_at_the_end() -> None:
    queued(ann())
    relay = _relay()
    assert relay.step() == 1
    assert relay.step() == 0
    assert not OutboxEvent.objects.filter(relayed_at=None).exists()

    queued(bob())
    assert relay.step() == 1
    relay.close()
    assert not OutboxEvent.objects.filter(relayed_at=None).exists()
    assert relay.step() == 0


def test_a_batch_that_was_numbered_before_keeps_its_numbers_beside_new_ones() -> None:
    owner = ann()
    for _ in range(2):
        queued(owner)
    _relay().step()
    queued(owner)

    relay = _relay()
    assert relay.step() == 3

    assert list(OutboxEvent.objects.order_by("id").values_list("sequence", flat=True)) == [1, 2, 3]
    assert feed.head(owner.id) == 3


def test_events_that_nobody_hears_are_relayed_by_one_statement(
    django_assert_num_queries: Callable[[int], AbstractContextManager[object]],
) -> None:
    queued(ann())
    relay = _relay()

    with django_assert_num_queries(1):
        assert relay.step() == 1


def test_it_gathers_the_longer_the_more_comes() -> None:
    owner = ann()
    relay = _relay()
    alone = []
    for count in (1, 3, 30):
        for _ in range(count):
            outbox.record("job.started", subject_id=uuid4(), owner_id=owner.id, payload={})
        assert relay.step() == count
        alone.append(relay.pause)

    assert alone == sorted(alone)
    assert alone[0] < 0.01
    assert alone[-1] < 0.05


def test_catching_up_gives_only_what_is_newer() -> None:
    owner = ann()
    for _ in range(3):
        queued(owner)
    _relay().step()

    events, _, _ = feed.after(owner.id, sequence=2)

    assert [event["sequence"] for event in events] == [3]


def _poisoned_by(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let one subscriber of finished videos fail for the first owner's, in the middle of its statements."""
    first = OutboxEvent.objects.order_by("id").values_list("owner_id", flat=True).first()

    def breaks(events: Sequence[Event]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("update feed_head set sequence = sequence")
        if any(event.owner_id == first for event in events):
            raise error

    table = {"job.succeeded": (breaks, subscribers.notify_owner)}
    monkeypatch.setattr(subscriptions, "_table", lambda: table)


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), IntegrityError("a bad row"), RecursionError("deep")]
)
def test_a_poison_event_is_parked_for_its_subscriber_and_everything_else_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    first, second = ann(), bob()
    succeeded(first)
    succeeded(second)
    _poisoned_by(monkeypatch, error)
    relay = _relay()

    while relay.step():
        pass

    (parked,) = ParkedEvent.objects.all()
    assert parked.subscriber.endswith("breaks")
    assert str(error) in parked.error
    # The other subscriber heard the same event, and the feed has no hole.
    assert Notification.objects.count() == 2
    assert feed.head(first.id) == feed.head(second.id) == 4
    assert not OutboxEvent.objects.filter(relayed_at=None).exists()


def test_a_subscriber_that_times_out_is_tried_again_before_it_is_parked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    succeeded(ann())
    _poisoned_by(monkeypatch, OperationalError("canceling statement due to lock timeout"))
    relay = _relay()

    for _ in range(2):
        with pytest.raises(OperationalError):
            relay.step()
        assert not ParkedEvent.objects.exists()
    while relay.step():
        pass

    assert ParkedEvent.objects.count() == 1
    assert Notification.objects.count() == 1


def test_parked_events_are_heard_when_somebody_mended_the_cause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    succeeded(ann())
    with monkeypatch.context() as broken:
        broken.setattr(registry, "channels", lambda: 1 / 0)
        relay = _relay()
        while relay.step():
            pass
    with pytest.raises(SystemExit):
        call_command("parked_events")
    assert "ZeroDivisionError" in capsys.readouterr().out

    call_command("parked_events", "--retry")

    assert not ParkedEvent.objects.exists()
    assert Notification.objects.count() == 1


def _relay_process(**environment: str) -> "subprocess.Popen[bytes]":
    address = connection.settings_dict
    host = quote(str(address["HOST"]), safe="")
    url = f"postgresql://{address['USER']}:{address['PASSWORD']}@{host}:{address['PORT']}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "run", "relay"],
        cwd=Path(__file__).resolve().parent.parent.parent,
        env={**os.environ, "DATABASE_URL": f"{url}/{address['NAME']}", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_relays_side_by_side_lose_and_double_nothing_when_one_is_killed(tmp_path: Path) -> None:
    owners = [uuid4(), uuid4()]
    # The first dies in the middle of its second batch, with everybody's shards in its hands.
    ready = tmp_path / "ready"
    dies = _relay_process(CRASH_POINT="relay.committed:2", READY_FILE=str(ready))
    while not ready.exists():
        assert dies.poll() is None
    lives = _relay_process()
    try:
        made = 0
        while dies.poll() is None or made < 12:
            with transaction.atomic():
                outbox.record(
                    "job.succeeded", subject_id=uuid4(), owner_id=owners[made % 2], payload={}
                )
            made += 1
        assert dies.returncode == -signal.SIGKILL
        while OutboxEvent.objects.filter(relayed_at=None).exists():
            assert lives.poll() is None
    finally:
        for process in (dies, lives):
            process.kill()
            process.wait()

    told = Counter(Notification.objects.values_list("subject_id", flat=True))
    assert len(told) == made
    assert set(told.values()) == {1}
    for head in FeedHead.objects.all():
        numbers = OutboxEvent.objects.filter(owner_id=head.owner_id).order_by("id")
        assert list(numbers.values_list("sequence", flat=True)) == list(range(1, head.sequence + 1))
