"""Told once, at the right time, and never of what somebody did or sees themselves."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Job
from notifications import (
    holds,
    matrix,
    preferences,
    presence,
    respect,
    unsubscribing,
    wish_policy,
)
from notifications.errors import InvalidValues
from notifications.models import Delivery, Notification, Preference
from scheduler import dispatch
from tests.factories import VIDEO, Person, ann, queued
from tests.notifications.test_email import ends, mails, part
from videogen.accounts import keys

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]
_EMAIL = "email"


@pytest.fixture(autouse=True)
def _nobody_looks() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def of_mail() -> list[tuple[str, str, str]]:
    found = Delivery.objects.filter(channel=_EMAIL).order_by("id")
    return list(found.values_list("name", "state", "reason"))


def subjects(mail: Path) -> list[str]:
    return sorted(str(one["Subject"]) for one in mails(mail))


def quiet_now(owner: Person) -> None:
    """Let the owner's quiet hours be now, whatever the clock says."""
    now = timezone.now()
    begin, end = now - timedelta(hours=2), now + timedelta(hours=2)
    preferences.wish(
        owner.id, quiet_from=begin.time().replace(microsecond=0), quiet_until=end.time()
    )


def daily_mail_at_another_hour(owner: Person) -> None:
    """Let the daily mail be far from now, whatever the clock says."""
    at = (timezone.now() + timedelta(hours=12)).time().replace(microsecond=0)
    preferences.wish(owner.id, daily_mail_at=at)


def time_passes() -> None:
    Delivery.objects.filter(state="held").update(due_at=F("due_at") - timedelta(days=1, hours=1))


def quiet_ends(owner: Person) -> None:
    preferences.wish(owner.id, quiet_from=None, quiet_until=None)
    time_passes()


# --- The person's own doing, their choice, and what was quick.


def test_what_they_cancelled_themselves_is_told_by_nobody(mail: Path, relay_all: Run) -> None:
    owner = ann()
    transitions.cancel(queued(owner), owner_id=owner.id)
    relay_all()

    assert of_mail() == [("job.canceled", "skipped", respect.OWN_DOING)]
    assert not Notification.objects.exists()


def test_what_we_cancelled_is_told(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    transitions.withdraw(queued(owner), why="The pool was removed.")
    relay_all()
    carry_all()

    assert subjects(mail) == ["Cancelled by us: a whale"]
    assert "The pool was removed." in part(mails(mail)[0], "plain")
    assert Notification.objects.count() == 1


def test_what_they_turned_off_is_listed_as_such(mail: Path, relay_all: Run) -> None:
    owner = ann()
    matrix.change(owner.id, {"events": {"job.succeeded": {_EMAIL: False}}})
    ends(owner, "a whale")
    relay_all()

    assert of_mail() == [("job.succeeded", "skipped", respect.TURNED_OFF)]


def test_what_was_quick_is_told_in_the_app_only(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    preferences.wish(owner.id, longer_than_seconds=60)
    ends(owner, "quick")
    slow = queued(owner, "slow")
    Job.objects.filter(id=slow).update(created_at=timezone.now() - timedelta(minutes=3))
    dispatch.grant_free_slots()
    transitions.start(JobId(slow), attempt=1)
    transitions.succeed(JobId(slow), attempt=1, video=VIDEO)
    relay_all()
    carry_all()

    assert subjects(mail) == ["Ready: slow"]
    assert "60 s or more" in of_mail()[0][2]
    assert Notification.objects.count() == 2


def test_whoever_looks_gets_no_mail_and_whoever_left_does(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    presence.look(owner.id, page="one")
    presence.leave(owner.id, page="another")
    ends(owner, "seen")
    relay_all()
    carry_all()
    presence.leave(owner.id, page="one")
    ends(owner, "unseen")
    relay_all()
    carry_all()

    assert subjects(mail) == ["Ready: unseen"]
    assert of_mail()[0] == ("job.succeeded", "skipped", respect.LOOKING)


def test_a_new_key_is_told_whatever_was_said_and_has_no_way_out(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    Preference.objects.create(owner_id=owner.id, name=keys.CREATED, channel=_EMAIL, is_on=False)
    quiet_now(owner)
    presence.look(owner.id, page="one")
    keys.issue(owner.user, name="<b>render</b> \u202efarm")
    relay_all()
    carry_all()

    (message,) = mails(mail)
    assert "List-Unsubscribe" not in message
    assert "nsubscribe" not in part(message, "html")
    assert "<b>render" not in part(message, "html")
    assert "\u202e" not in part(message, "html")
    forged = unsubscribing.address(owner.id, keys.CREATED, _EMAIL)
    assert Client().post(urlsplit(forged).path).status_code == 404
    with pytest.raises(InvalidValues, match="cannot be turned off"):
        matrix.change(owner.id, {"events": {keys.CREATED: {_EMAIL: False}}})


# --- Quiet hours and the daily mail.


def test_several_of_the_night_come_as_one_in_the_morning(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    quiet_now(owner)
    ends(owner, "one <script>")
    ends(owner, "two", well=False)
    relay_all()
    carry_all()
    assert mails(mail) == []
    assert {state for _, state, _ in of_mail()} == {"held"}
    assert holds.release(limit=10) == 0

    quiet_ends(owner)
    assert [holds.release(limit=10), holds.release(limit=10)] == [2, 0]
    carry_all()

    (message,) = mails(mail)
    assert message["Subject"] == "2 notices"
    assert "Failed: two" in part(message, "plain")
    assert "<script" not in part(message, "html")
    assert "List-Unsubscribe" in message
    assert {state for _, state, _ in of_mail()} == {"merged", "delivered"}
    summary = Delivery.objects.get(name="notices.summed")
    assert set(Delivery.objects.filter(state="merged").values_list("summary_id", flat=True)) == {
        summary.id
    }


@pytest.mark.parametrize(
    ("until", "wish"), [(quiet_now, "quiet_hours"), (daily_mail_at_another_hour, "daily_mail_at")]
)
def test_who_ends_the_wait_gets_what_was_held(
    mail: Path, relay_all: Run, carry_all: Run, until: Callable[[Person], None], wish: str
) -> None:
    owner = ann()
    until(owner)
    ends(owner, "a whale")
    relay_all()
    carry_all()
    matrix.change(owner.id, {"longer_than_seconds": 1})
    assert [state for _, state, _ in of_mail()] == ["held"]

    matrix.change(owner.id, {wish: None})
    holds.release(limit=10)
    carry_all()

    assert subjects(mail) == ["Ready: a whale"]


def test_a_single_one_of_the_night_comes_as_itself(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    quiet_now(owner)
    ends(owner, "one")
    relay_all()
    carry_all()
    quiet_ends(owner)
    holds.release(limit=10)
    carry_all()

    assert subjects(mail) == ["Ready: one"]
    assert Delivery.objects.get().try_count == 1


def test_the_daily_mail_comes_once_over_restarts(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    daily_mail_at_another_hour(owner)
    for prompt in ("one", "two", "three"):
        ends(owner, prompt)
    relay_all()
    carry_all()
    first, second, late = Delivery.objects.filter(state="held").order_by("id")
    Delivery.objects.filter(id=late.id).update(
        state="skipped", due_at=None, ended_at=timezone.now()
    )
    time_passes()
    due = Delivery.objects.get(id=first.id).due_at
    assert due is not None
    assert holds.release(limit=10) == 2
    # Written down by a courier that stood still until the mail was made.
    Delivery.objects.filter(id=late.id).update(state="held", due_at=due, ended_at=None)
    assert [holds.release(limit=10) for _ in range(3)] == [1, 0, 0]
    carry_all()

    assert subjects(mail) == ["Your day: 2 notices"]
    again = Delivery.objects.get(id=late.id)
    assert (again.state, again.due_at) == ("held", due + timedelta(days=1))
    assert Delivery.objects.get(id=second.id).state == "merged"


def test_sweeps_at_once_make_one_summary(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    daily_mail_at_another_hour(owner)
    ends(owner, "one")
    ends(owner, "two")
    relay_all()
    carry_all()
    time_passes()
    barrier = threading.Barrier(3)

    def sweep() -> None:
        barrier.wait()
        holds.release(limit=10)
        connection.close()

    threads = [threading.Thread(target=sweep) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    carry_all()

    assert subjects(mail) == ["Your day: 2 notices"]


def test_what_was_turned_off_meanwhile_is_in_no_summary(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    daily_mail_at_another_hour(owner)
    ends(owner, "good")
    ends(owner, "bad", well=False)
    relay_all()
    carry_all()
    preferences.choose(owner.id, "job.failed", _EMAIL, is_on=False)
    time_passes()
    holds.release(limit=10)
    carry_all()

    (message,) = mails(mail)
    assert "good" in part(message, "plain")
    assert "bad" not in part(message, "plain")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-06-01T22:00+00:00", None),
        ("2026-06-01T21:30+00:00", None),
        # Lisbon is an hour ahead of UTC in June.
        ("2026-06-01T22:30+00:00", "2026-06-02T06:30+00:00"),
        ("2026-06-02T06:29+00:00", "2026-06-02T06:30+00:00"),
        ("2026-06-02T06:30+00:00", None),
        # The night in which clocks go forward, and the one in which they go back.
        ("2026-03-28T23:45+00:00", "2026-03-29T06:30+00:00"),
        ("2026-10-24T23:45+00:00", "2026-10-25T07:30+00:00"),
    ],
)
def test_quiet_hours_are_of_their_own_clock(now: str, until: str | None) -> None:
    found = wish_policy.quiet_until(
        datetime.fromisoformat(now),
        begin=time(23, 30),
        end=time(7, 30),
        zone=ZoneInfo("Europe/Lisbon"),
    )

    assert found == (datetime.fromisoformat(until) if until else None)


@pytest.mark.parametrize("zone", ["Europe/Lisbon", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("at", [time(1, 30), time(2, 15), time(18)])
def test_there_is_one_daily_mail_on_each_day_of_the_year(zone: str, at: time) -> None:
    moment, days = datetime(2026, 1, 1, tzinfo=UTC), []
    while moment < datetime(2027, 1, 1, tzinfo=UTC):
        moment = wish_policy.next_daily(moment, at=at, zone=ZoneInfo(zone))
        days.append(moment.astimezone(ZoneInfo(zone)).date())

    assert days == sorted(set(days))
    assert (days[-1] - days[0]).days == len(days) - 1
