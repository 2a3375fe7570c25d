"""Browsers and phones register, are known again, and are forgotten; what is not configured says so."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.test import Client

from notifications import push_targets, vapid
from notifications.models import Delivery, PushDevice, PushSubscription
from proofs.sinks.running import Sink
from tests.accounts.app import Phone
from tests.factories import ann, succeeded
from tests.notifications.push import a_browser, a_phone, a_subscription
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]


def test_the_oldest_target_makes_room(edge: Sink) -> None:
    owner = ann()
    made = [a_phone(owner, f"good-{number}").id for number in range(22)]

    assert set(push_targets.devices(owner.id).values_list("id", flat=True)) == set(made[2:])


def _registered(client: Client, subscription: dict[str, Any]) -> Any:
    return client.post("/api/v1/push/subscriptions", subscription, content_type="application/json")


def test_signing_out_ends_pushes_to_that_browser_only(edge: Sink) -> None:
    owner, here, there = ann(), Client(), Client()
    for client in (here, there):
        client.force_login(owner.user)
        assert _registered(client, a_subscription(edge)).status_code == 201

    here.post("/sign-out")

    assert len(there.get("/api/v1/push/subscriptions").json()["subscriptions"]) == 1


def test_a_new_password_ends_pushes_to_every_session(edge: Sink) -> None:
    owner, client = ann(), Client()
    client.force_login(owner.user)
    _registered(client, a_subscription(edge))
    by_key = a_phone(owner)

    answer = client.post(
        "/account/password",
        {
            "oldpassword": "a long password",
            "password1": "seventeen wet otters",
            "password2": "seventeen wet otters",
        },
    )

    assert answer.status_code == 302
    assert not PushSubscription.objects.exists()
    assert PushDevice.objects.get() == by_key


def test_an_app_that_signs_out_is_told_nothing_there(edge: Sink) -> None:
    app = Phone()
    app.sign_in(ann().user.email, "a long password")
    device = {"platform": "ios", "token": "good-1"}
    made = Client().post(
        "/api/v1/devices",
        device,
        content_type="application/json",
        headers={"X-Session-Token": app.token},
    )
    assert made.status_code == 201

    app.call("DELETE", "auth/session")

    assert not PushDevice.objects.exists()


def test_a_browser_that_comes_back_is_known(edge: Sink) -> None:
    owner, client = ann(), Client()
    client.force_login(owner.user)
    subscription = a_subscription(edge)
    first, second = (_registered(client, subscription) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    page = client.get("/account/push").content.decode()
    assert vapid.public_key() in page
    assert client.post("/account/push", {"browser": first.json()["id"]}).status_code == 302
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"endpoint": "https://10.0.0.1/push"}, "endpoint"),
        ({"endpoint": "http://push.example/1"}, "endpoint"),
        ({"endpoint": 7}, "endpoint"),
        ({"keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}, "keys.p256dh"),
        ({"keys": {"p256dh": "é", "auth": "x"}}, "keys.auth"),
        ({"keys": None}, "keys.p256dh"),
        ({"keys": {"more": 1}}, "keys.more"),
        ({"expirationTime": "soon"}, "expirationTime"),
        ({"name": "a\x00b"}, "name"),
        ({"more": 1}, "more"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused_by_field(
    edge: Sink, settings: Any, change: dict[str, Any], fault: str
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    client = Client(headers=ann().headers)

    answer = _registered(client, {**a_subscription(edge), **change})

    assert answer.status_code == 400
    assert fault in {one["field"] for one in answer.json()["errors"]}


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"platform": "windows", "token": "t"}, "platform"),
        ({"platform": "ios", "token": ""}, "token"),
        ({"platform": "ios", "token": "x" * 4097}, "token"),
    ],
)
def test_a_device_that_cannot_be_is_refused_by_field(
    edge: Sink, values: dict[str, str], fault: str
) -> None:
    client = Client(headers=ann().headers)

    answer = client.post("/api/v1/devices", values, content_type="application/json")

    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == [fault]


def test_channels_that_are_not_configured_say_so_everywhere(
    settings: Any, relay_all: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.VAPID_PRIVATE_KEY, settings.FCM_SERVICE_ACCOUNT = "c2hvcnQ", ""
    owner = ann()
    a_phone(owner)
    succeeded(owner)
    relay_all()
    User.objects.filter(pk=owner.id).update(is_staff=True, is_superuser=True)
    client, operator = Client(headers=owner.headers), Client()
    operator.force_login(User.objects.get(pk=owner.id))
    call_command("channels")

    channels = client.get("/api/v1/notification_channels").json()["channels"]
    told = {one["name"]: one["reason"] or "" for one in channels if not one["available"]}
    printed = capsys.readouterr().out
    assert "5 bytes instead of 32" in told["web_push"]
    assert "FCM_SERVICE_ACCOUNT_FILE is not set" in told["mobile_push"]
    for reason in (told["web_push"], told["mobile_push"]):
        assert reason in printed
        assert reason in operator.get("/account/push").content.decode()
        assert reason in operator.get("/admin/notifications/delivery/").content.decode()
    refused = client.post(
        "/api/v1/devices", {"platform": "ios", "token": "t"}, content_type="application/json"
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "channel_unavailable")
    assert not Delivery.objects.exclude(state="skipped").exists()


def test_new_keys_can_be_used(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.VAPID_PRIVATE_KEY = ""
    call_command("vapid_keys")

    name, _, value = capsys.readouterr().out.strip().partition("=")
    assert name == "VAPID_PRIVATE_KEY"
    assert len(vapid.decoded(vapid.identity(value).public)) == 65


def test_admin_shows_targets_without_their_secrets(edge: Sink) -> None:
    owner = ann()
    browser, phone = a_browser(owner, edge), a_phone(owner)
    User.objects.filter(pk=owner.id).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(User.objects.get(pk=owner.id))

    for kind, target in (("pushsubscription", browser.id), ("pushdevice", phone.id)):
        page = client.get(f"/admin/notifications/{kind}/{UUID(str(target))}/change/")
        assert page.status_code == 200
        for secret in (browser.endpoint, browser.auth, phone.token):
            assert secret not in page.content.decode()
