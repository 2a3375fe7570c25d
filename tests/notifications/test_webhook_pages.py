"""The pages of webhook addresses, as a browser without JavaScript uses them."""

import html
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from notifications import webhook_endpoints
from notifications.models import Delivery, WebhookEndpoint
from proofs.sinks.running import Sink
from tests.factories import Person, ann, bob, succeeded

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/account/webhooks"


def _browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def _text(answer: Any) -> str:
    """Give what a page says, without its markup."""
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


def _secret(answer: Any) -> str:
    found = re.search(r'<code id="secret">(whsec_[^<]+)</code>', answer.content.decode())
    assert found
    return found[1]


def _listens(owner: Person, receiver: Sink, path: str = "/ok") -> WebhookEndpoint:
    url = f"http://127.0.0.1:{receiver.port}{path}"
    return webhook_endpoints.create(owner.id, url=url, event_types=["video.completed"])[0]


def test_an_address_is_added_with_a_secret_that_is_shown_once(receiver: Sink) -> None:
    client = _browser(ann())
    fields = {"url": f"http://127.0.0.1:{receiver.port}/ok", "event_types": ["video.failed"]}

    made = client.post(PATH, fields)
    again = client.get(PATH)

    assert "no-store" in made.headers["Cache-Control"]
    assert _secret(made) not in again.content.decode()
    assert "video.failed" in _text(again)
    assert WebhookEndpoint.objects.get().event_types == ["video.failed"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"url": "nowhere", "event_types": ["video.failed"]}, "https://"),
        ({"url": "http://127.0.0.1:1/ok"}, "Send a list of one or more"),
        ({"url": "http://127.0.0.1:1/", "event_types": ["x"]}, "Send a list of one or more"),
    ],
)
def test_a_wrong_address_is_refused_beside_its_field_and_kept(
    receiver: Sink, fields: dict[str, Any], said: str
) -> None:
    answer = _browser(ann()).post(PATH, fields)

    assert answer.status_code == 400
    assert said in _text(answer)
    assert f'value="{fields["url"]}"' in answer.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_a_test_says_what_came_back_and_shows_what_was_sent_without_secrets(
    receiver: Sink,
) -> None:
    owner = ann()
    client, endpoint = _browser(owner), _listens(owner, receiver, "/status/500")

    answer = client.post(
        f"{PATH}/{endpoint.id}", {"do": "test", "event_type": "video.completed"}, follow=True
    )

    shown = _text(answer)
    assert "The test did not arrive. It answered 500." in shown
    assert "500 Internal Server Error" in shown
    assert "webhook-signature: v1,..." in shown
    assert '"is_test": true' in shown
    assert "Failing" in _text(client.get(PATH))


def test_the_log_shows_each_delivery_and_replays_it_with_the_same_id(
    receiver: Sink, relay_all: Callable[[], None], carry_all: Callable[[], None]
) -> None:
    owner = ann()
    client, endpoint = _browser(owner), _listens(owner, receiver)
    job = succeeded(owner)
    relay_all()
    carry_all()
    Delivery.objects.update(ended_at="2026-01-01T00:00:00Z")
    sent = Delivery.objects.get()
    sent.attempts.update(started_at="2026-01-01T00:00:00Z")

    log = client.get(f"{PATH}/{endpoint.id}")
    assert "Working 1 of 1 arrived" in _text(log)
    assert "204 No Content" in _text(log)
    assert f"/jobs/{job.id}/" in log.content.decode()
    assert "None of these" in _text(client.get(f"{PATH}/{endpoint.id}?show=failed"))
    again = client.post(f"{PATH}/{endpoint.id}/deliveries/{sent.id}", follow=True)
    assert "sent again, with the same id" in _text(again)
    carry_all()

    page = _text(client.get(f"{PATH}/{endpoint.id}/deliveries/{sent.id}"))
    assert "Try 1" in page
    assert "Try 2" in page
    assert sent.message_id in page


def test_an_address_is_rotated_changed_disabled_enabled_and_deleted(receiver: Sink) -> None:
    owner = ann()
    client, endpoint = _browser(owner), _listens(owner, receiver)
    path = f"{PATH}/{endpoint.id}"

    rotated = client.post(path, {"do": "rotate"})
    assert "also signs for 24 hours" in _text(rotated)
    leaked = client.post(path, {"do": "rotate", "leaked": "1"})
    assert "signs nothing any more" in _text(leaked)
    assert _secret(rotated) != _secret(leaked)
    fields = {"url": endpoint.url, "name": "prod", "event_types": ["video.completed"]}
    client.post(path, {"do": "change", **fields})
    endpoint.refresh_from_db()
    assert endpoint.name == "prod"
    client.post(path, {"do": "disable"})
    page = client.get(path)
    assert "Disabled by you." in _text(page)
    assert "Send a test" not in _text(page)
    refused = client.post(path, {"do": "test", "event_type": "video.completed"}, follow=True)
    assert "The endpoint is disabled." in _text(refused)
    client.post(path, {"do": "enable"})
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None
    assert client.post(path, {"do": "delete"}).headers["Location"] == PATH
    assert not WebhookEndpoint.objects.exists()


def test_nobody_sees_or_touches_the_addresses_of_somebody_else(receiver: Sink) -> None:
    endpoint = _listens(ann(), receiver)
    stranger = _browser(bob())
    path = f"{PATH}/{endpoint.id}"

    answers = [
        stranger.get(path),
        stranger.post(path, {"do": "delete"}),
        stranger.get(f"{path}/deliveries/{uuid4()}"),
        stranger.post(f"{path}/deliveries/{uuid4()}"),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert endpoint.url not in _text(stranger.get(PATH))
    assert WebhookEndpoint.objects.filter(id=endpoint.id).exists()
    assert Client().get(path).status_code == 302


def test_a_notice_of_a_disabled_address_leads_to_its_page_with_the_reason(
    receiver: Sink, relay_all: Callable[[], None]
) -> None:
    owner = ann()
    client, endpoint = _browser(owner), _listens(owner, receiver)
    webhook_endpoints.disable_dead(endpoint.id, "It answered 410 Gone.", is_gone=True)
    relay_all()

    notices = client.get("/notifications").content.decode()

    assert f'href="{PATH}/{endpoint.id}"' in notices
    assert f"{endpoint.url}: It answered 410 Gone." in notices
    assert "It answered 410 Gone." in _text(client.get(f"{PATH}/{endpoint.id}"))


@pytest.mark.parametrize("query", ["?show=everything", "?after=x"])
def test_an_address_of_the_log_that_means_nothing_is_not_found(receiver: Sink, query: str) -> None:
    owner = ann()
    endpoint = _listens(owner, receiver)

    assert _browser(owner).get(f"{PATH}/{endpoint.id}{query}").status_code == 404
