"""Choosing what reaches one, by the API and the page; and seeing what was sent."""

from collections.abc import Callable
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from jobs import transitions
from notifications import (
    matrix,
    preferences,
    respect,
)
from notifications.announcements import Announcement
from notifications.models import Delivery, Notification, Preference, Wishes
from notifications.preferences import Said
from tests.factories import Person, ann, cy, queued
from tests.notifications.test_email import ends

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]
_EMAIL = "email"


def test_only_what_differs_is_stored_and_read_in_one_statement(
    django_assert_num_queries: Any,
) -> None:
    owner = ann()
    matrix.change(
        owner.id, {"events": {"job.failed": {_EMAIL: True}, "job.succeeded": {_EMAIL: False}}}
    )
    assert list(Preference.objects.values_list("name", "is_on")) == [("job.succeeded", False)]
    matrix.change(owner.id, {"events": {"job.succeeded": {_EMAIL: True}}})
    assert not Preference.objects.exists()

    with django_assert_num_queries(1):
        assert preferences.read(owner.id, "job.succeeded") == Said()
    with django_assert_num_queries(2):
        matrix.of(owner.id)


def test_a_forced_channel_stays_on_and_another_can_be_chosen() -> None:
    forced = Announcement(
        title="x", context=lambda *_: None, on_by_default=frozenset({_EMAIL}), is_forced=True
    )

    assert Said(by_channel={_EMAIL: False}).wants(_EMAIL, forced)
    assert not Said().wants("web_push", forced)
    assert Said(by_channel={"web_push": True}).wants("web_push", forced)


_ADDRESS = "/api/v1/notifications/preferences"


def ask(who: Person, verb: str, address: str, **data: Any) -> Any:
    call = getattr(Client(), verb)
    more = {"data": data, "content_type": "application/json"} if verb == "patch" else {}
    return call(address, headers=who.headers, **more)


def test_the_whole_matrix_is_given_and_changed() -> None:
    owner = ann()
    changed = ask(
        owner, "patch", _ADDRESS,
        events={"job.failed": {_EMAIL: False}}, longer_than_seconds=60,
        quiet_hours={"from": "22:00", "until": "07:30"}, daily_mail_at="18:00",
    ).json()  # fmt: skip

    assert changed == ask(owner, "get", _ADDRESS).json()
    (failed,) = [one for one in changed["events"] if one["name"] == "job.failed"]
    assert failed["channels"][_EMAIL] == {
        "is_on": False,
        "is_on_by_default": True,
        "is_forced": False,
    }
    assert changed["quiet_hours"] == {"from": "22:00", "until": "07:30"}
    assert (changed["daily_mail_at"], changed["longer_than_seconds"]) == ("18:00", 60)
    assert changed["channels"][0]["reason"] == "EMAIL_URL is not set, so nobody gets mail."
    assert not Preference.objects.exclude(owner_id=owner.id).exists()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"events": {"job.unknown": {_EMAIL: True}}}, "events.job.unknown"),
        ({"events": {"job.failed": {"pigeon": True}}}, "events.job.failed.pigeon"),
        ({"events": {"job.failed": {_EMAIL: "yes"}}}, "events.job.failed.email"),
        ({"events": {"job.failed": {"webhook": True}}}, "events.job.failed.webhook"),
        ({"events": {"key.created": {_EMAIL: False}}}, "events.key.created.email"),
        ({"events": []}, "events"),
        ({"longer_than_seconds": -1}, "longer_than_seconds"),
        ({"longer_than_seconds": True}, "longer_than_seconds"),
        ({"quiet_hours": {"from": "22:00"}}, "quiet_hours"),
        ({"quiet_hours": {"from": "22:00", "until": "22:00"}}, "quiet_hours"),
        ({"quiet_hours": {"from": "25:00", "until": "22:00"}}, "quiet_hours.from"),
        ({"daily_mail_at": "18:00:30"}, "daily_mail_at"),
        ({"daily_mail_at": "18:00+02:00"}, "daily_mail_at"),
        ({"pigeon": 1}, "pigeon"),
    ],
)
def test_a_wrong_wish_is_refused_by_its_field_and_changes_nothing(
    data: dict[str, Any], field: str
) -> None:
    answer = ask(ann(), "patch", _ADDRESS, **{"longer_than_seconds": 5, **data})

    assert answer.status_code == 400
    assert field in {one["field"] for one in answer.json()["errors"]}
    assert not Wishes.objects.exists()
    assert not Preference.objects.exists()


def test_every_page_says_times_in_the_zone_of_its_reader(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    owner.user.time_zone = "Asia/Kathmandu"
    owner.user.save()
    job = ends(owner, "a whale")
    relay_all()
    carry_all()
    client = Client()
    client.force_login(owner.user)
    zone = ZoneInfo("Asia/Kathmandu")
    noticed, sent = Notification.objects.get(), Delivery.objects.get(channel=_EMAIL)

    pages = {
        path: client.get(path).content.decode()
        for path in ("/notifications", "/notifications/sent", f"/jobs/{job.id}/")
    }

    assert f">{noticed.created_at.astimezone(zone):%H:%M}</time>" in pages["/notifications"]
    assert f">{sent.created_at.astimezone(zone):%H:%M}</time>" in pages["/notifications/sent"]
    day = job.created_at.astimezone(zone)
    assert f">{day.day} {day:%B}</a>" in pages[f"/jobs/{job.id}/"]


def test_everybody_sees_what_was_sent_to_them_and_nobody_else(
    mail: Path, relay_all: Run, carry_all: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = ann()
    monkeypatch.setattr("notifications.sent.PAGE", 2)
    ends(owner, "one")
    ends(owner, "two", well=False)
    transitions.cancel(queued(owner), owner_id=owner.id)
    relay_all()
    carry_all()

    first = ask(owner, "get", "/api/v1/notifications/sent").json()
    second = ask(owner, "get", f"/api/v1/notifications/sent?after={first['next']}").json()
    found = first["deliveries"] + second["deliveries"]
    assert [(one["event"], one["state"]) for one in found] == [
        ("job.canceled", "skipped"),
        ("job.failed", "delivered"),
        ("job.succeeded", "delivered"),
    ]
    assert (found[0]["reason"], second["next"]) == (respect.OWN_DOING, None)
    assert ask(cy(), "get", "/api/v1/notifications/sent").json()["deliveries"] == []
    assert ask(owner, "get", "/api/v1/notifications/sent?after=x").status_code == 400


def test_the_form_saves_what_is_ticked() -> None:
    owner = ann()
    client = Client()
    client.force_login(owner.user)

    wrong = client.post(
        "/notifications/preferences", {"quiet_from": "22:00", "longer_than_seconds": "0"}
    )
    right = client.post(
        "/notifications/preferences",
        {"quiet_from": "22:00", "quiet_until": "07:00", "longer_than_seconds": "60"},
    )

    assert (wrong.status_code, right.status_code) == (400, 302)
    found = Wishes.objects.get()
    assert (found.quiet_from, found.longer_than_seconds) == (time(22), 60)
    # Mail is not set up here, so its boxes could not be ticked: that is no word of the person.
    assert not Preference.objects.exists()
