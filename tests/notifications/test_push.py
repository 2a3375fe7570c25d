"""Pushes to browsers and phones: sealed, signed, once, replaced by newer ones, and never to a target that is gone."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobs.models import Job
from notifications import fcm, preferences, push_targets, vapid
from notifications.models import Delivery, PushDevice, PushSubscription, Route
from proofs.sinks.running import Sink
from tests.factories import Person, ann, bob, succeeded
from tests.notifications.push import a_browser, a_phone, a_subscription, arrived

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]
KINDS = ("web_push", "mobile_push")


def has_both(owner: Person, edge: Sink) -> tuple[PushSubscription, PushDevice]:
    return a_browser(owner, edge), a_phone(owner)


def send_again() -> None:
    """As after a crash between the service's answer and our note of it."""
    Delivery.objects.update(state="scheduled", due_at="2020-01-01T00:00:00Z", ended_at=None)
    Route.objects.update(next_at="2020-01-01T00:00:00Z")


def test_an_end_is_pushed_once_with_a_link_and_a_tag(
    edge: Sink, relay_all: Run, carry_all: Run, settings: Any
) -> None:
    owner = ann()
    has_both(owner, edge)
    job = succeeded(owner)
    relay_all()
    carry_all()

    (web,), (mobile,) = (arrived(edge, kind) for kind in KINDS)
    told, message = json.loads(web["body"]), json.loads(mobile["body"])
    link = f"{settings.PUBLIC_URL}/jobs/{job.id}/"
    assert told == {
        "id": web["id"],
        "title": "A video is ready",
        "body": f"Ready: {job.prompt}",
        "url": link,
        "tag": job.id.hex,
    }
    assert web["topic"] == job.id.hex
    assert message["data"]["url"] == link
    assert message["data"]["id"] == web["id"] == mobile["id"]
    assert message["notification"] == {"title": "A video is ready"}
    assert message["android"]["collapse_key"] == job.id.hex
    assert message["apns"]["headers"]["apns-collapse-id"] == job.id.hex
    # By way of Google and Apple, the words of a prompt stay with us.
    assert job.prompt not in mobile["body"]


def test_a_push_sent_twice_has_the_same_id_and_words(
    edge: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    has_both(owner, edge)
    succeeded(owner)
    relay_all()
    relay_all()
    carry_all()
    send_again()
    carry_all()

    for kind in KINDS:
        first, second = arrived(edge, kind)
        assert first["body"] == second["body"]
    assert Delivery.objects.count() == 2


def test_the_longest_prompt_fits(edge: Sink, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    a_browser(owner, edge)
    job = succeeded(owner)
    Job.objects.filter(id=job.id).update(prompt="🐋" * 1500)
    relay_all()
    carry_all()

    (web,) = arrived(edge, "web_push")
    assert web["size"] <= 4096


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_unsubscribed_is_forgotten(
    edge: Sink, relay_all: Run, carry_all: Run, status: int
) -> None:
    owner = ann()
    a_browser(owner, edge, status=status)
    succeeded(owner)
    relay_all()
    carry_all()

    assert not PushSubscription.objects.exists()
    assert not Route.objects.filter(channel="web_push").exists()
    assert Delivery.objects.get().reason == f"The browser unsubscribed ({status})."


def test_a_dead_token_is_forgotten_and_a_wrong_project_forgets_nobody(
    edge: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    a_phone(owner, "gone-1")
    kept = a_phone(owner, "elsewhere-1")
    succeeded(owner)
    relay_all()
    carry_all()

    assert PushDevice.objects.get() == kept
    assert Delivery.objects.get(target=str(kept.id)).state == "scheduled"


@pytest.mark.parametrize("channel", KINDS)
def test_a_service_that_wants_quiet_gets_it(
    edge: Sink, relay_all: Run, carry_all: Run, channel: str
) -> None:
    owner = ann()
    if channel == "web_push":
        a_browser(owner, edge, status=429)
    else:
        a_phone(owner, "busy-1")
    for _ in range(2):
        succeeded(owner)
    relay_all()
    carry_all()

    route = Route.objects.get(channel=channel)
    began = Delivery.objects.earliest("id").attempts.get().started_at
    assert len(arrived(edge, channel)) == 1
    assert route.paused_until is not None
    assert 119 < (route.paused_until - began).total_seconds() < 130


def test_a_token_of_google_is_asked_for_once(edge: Sink, relay_all: Run, carry_all: Run) -> None:
    fcm._tokens.forget()
    owner = ann()
    for number in range(3):
        a_phone(owner, f"good-{number}")
    succeeded(owner)
    relay_all()
    carry_all()

    assert len(arrived(edge, "mobile_push")) == 3
    assert len(arrived(edge, "token")) == 1


def test_a_changed_key_of_ours_forgets_browsers(
    edge: Sink, relay_all: Run, carry_all: Run, settings: Any
) -> None:
    owner = ann()
    a_browser(owner, edge)
    settings.VAPID_PRIVATE_KEY = vapid.new_private_key()
    succeeded(owner)
    relay_all()
    carry_all()

    assert not PushSubscription.objects.exists()
    assert arrived(edge, "web_push") == []


def test_who_turned_pushes_off_gets_none(edge: Sink, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    has_both(owner, edge)
    for kind in KINDS:
        preferences.choose(owner.id, "job.succeeded", kind, is_on=False)
    succeeded(owner)
    relay_all()
    carry_all()

    assert not Delivery.objects.exclude(state="skipped").exists()
    assert [arrived(edge, kind) for kind in KINDS] == [[], []]


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_tells_whoever_registered_it_last(
    edge: Sink, relay_all: Run, carry_all: Run, kind: str
) -> None:
    first, second = ann(), bob()
    if kind == "web_push":
        values = a_subscription(edge)
        add: Callable[[Person], Any] = lambda owner: push_targets.add_browser(  # noqa: E731
            owner.id, values, vapid_key=vapid.public_key(), agent="", session=""
        )
    else:
        add = a_phone
    add(first)
    succeeded(first)
    relay_all()
    add(second)
    add(second)
    carry_all()

    assert arrived(edge, kind) == []
    assert Delivery.objects.get().reason == "Somebody else signed in there."
    model = PushSubscription if kind == "web_push" else PushDevice
    assert model.objects.get().owner_id == second.id
