"""Users' programs are told by signed messages: once, in time, and their owners see what became of each."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from standardwebhooks import Webhook

from jobs.models import Job
from notifications import delivery_policy, webhook_endpoints, webhook_log
from notifications.channels.webhook import WebhookChannel
from notifications.errors import EndpointDisabled, EndpointMissing, InvalidValues, TooSoon
from notifications.models import (
    Delivery,
    DeliveryAttempt,
    Notification,
    OutboxEvent,
    Route,
    WebhookEndpoint,
)
from proofs.sinks.running import Sink
from tests.factories import Person, ann, bob, succeeded

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]
Tell = Callable[[Person], Job]


def endpoint(owner: Person, receiver: Sink, path: str = "/ok") -> tuple[WebhookEndpoint, str]:
    return webhook_endpoints.create(
        owner.id,
        url=f"http://127.0.0.1:{receiver.port}{path}",
        event_types=["video.completed", "video.failed"],
    )


@pytest.fixture
def tell(relay_all: Run, carry_all: Run) -> Tell:
    """End a job of somebody well, and tell whoever listens."""

    def run(owner: Person) -> Job:
        job = succeeded(owner)
        relay_all()
        carry_all()
        return job

    return run


def let_time_pass() -> None:
    """Make every delivery and route due, as if its wait were over."""
    Delivery.objects.filter(state="scheduled").update(due_at=F("created_at"), claimed_until=None)
    Route.objects.update(next_at="2020-01-01T00:00:00Z", paused_until=None)


def test_a_receiver_believes_what_it_gets(receiver: Sink, tell: Tell) -> None:
    owner = ann()
    _, secret = endpoint(owner, receiver)
    job = tell(owner)

    (got,) = receiver.arrived()
    body = Webhook(secret).verify(got["body"], got["headers"])
    assert body["type"] == "video.completed"
    assert body["data"] == {"id": f"video_{job.id.hex}"}
    assert body["object"] == "event"
    assert body["id"] == got["id"]
    assert isinstance(body["created_at"], int)
    assert Delivery.objects.get().state == "delivered"


def test_the_algorithm_of_the_openai_sdk_believes_it_too(receiver: Sink, tell: Tell) -> None:
    owner = ann()
    _, secret = endpoint(owner, receiver)
    tell(owner)

    (got,) = receiver.arrived()
    headers = got["headers"]
    key = b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{int(headers['webhook-timestamp'])}.{got['body']}".encode()
    expected = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [one.removeprefix("v1,") for one in headers["webhook-signature"].split()]
    assert secret.startswith("whsec_")
    assert expected in given


def test_during_a_rotation_both_secrets_verify(receiver: Sink, tell: Tell) -> None:
    owner = ann()
    made, old = endpoint(owner, receiver)
    _, new = webhook_endpoints.rotate(owner.id, made.id)
    tell(owner)

    (got,) = receiver.arrived()
    for secret in (old, new):
        Webhook(secret).verify(got["body"], got["headers"])


def test_a_leaked_secret_stops_signing_at_once(receiver: Sink, tell: Tell) -> None:
    owner = ann()
    made, old = endpoint(owner, receiver)
    _, new = webhook_endpoints.rotate(owner.id, made.id, keep_old_seconds=0)
    tell(owner)

    (got,) = receiver.arrived()
    Webhook(new).verify(got["body"], got["headers"])
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(old).verify(got["body"], got["headers"])


def test_secrets_are_sealed_in_the_database(receiver: Sink) -> None:
    owner = ann()
    made, secret = endpoint(owner, receiver)
    webhook_endpoints.rotate(owner.id, made.id)

    with connection.cursor() as cursor:
        cursor.execute("select row_to_json(e)::text from webhook_endpoint e")
        (row,) = cursor.fetchone()
    assert secret not in row
    assert secret.removeprefix("whsec_") not in row


def test_an_event_told_twice_makes_one_delivery(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    endpoint(owner, receiver)
    succeeded(owner)
    relay_all()
    OutboxEvent.objects.update(relayed_at=None)
    relay_all()

    carry_all()

    assert len(receiver.arrived()) == 1


def test_a_try_nobody_wrote_down_comes_again_with_the_same_id(
    receiver: Sink, tell: Tell, carry_all: Run
) -> None:
    owner = ann()
    endpoint(owner, receiver)
    tell(owner)
    # As if the courier had died after the answer and before the write.
    DeliveryAttempt.objects.all().delete()
    Delivery.objects.update(state="scheduled", due_at=F("created_at"), ended_at=None)
    let_time_pass()

    carry_all()

    first, second = receiver.arrived()
    assert (first["id"], first["body"]) == (second["id"], second["body"])


def test_failures_are_tried_again_by_the_schedule_and_end(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    made, _ = endpoint(owner, receiver, "/status/500")
    succeeded(owner)
    relay_all()
    tries = len(WebhookChannel.delays) + 1
    WebhookEndpoint.objects.update(created_at="2020-01-01T00:00:00Z")

    for _ in range(tries + 2):
        let_time_pass()
        carry_all()

    delivery = Delivery.objects.get(channel="webhook")
    assert len(receiver.arrived()) == tries
    (told,) = {(got["id"], got["body"]) for got in receiver.arrived()}
    assert told == (delivery.message_id, delivery.content)
    assert (delivery.state, delivery.reason) == ("abandoned", "It answered 500.")
    found = webhook_endpoints.get(owner.id, made.id)
    assert found.disabled_reason == "It answered 500."


def test_an_endpoint_that_is_gone_is_disabled_and_its_owner_told_once(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    made, _ = endpoint(owner, receiver, "/status/410")
    succeeded(owner)
    succeeded(owner)
    relay_all()
    carry_all()
    relay_all()

    found = webhook_endpoints.get(owner.id, made.id)
    assert found.disabled_at is not None
    assert "410" in found.disabled_reason
    assert Notification.objects.filter(name="webhook_endpoint.disabled").count() == 1
    assert not Delivery.objects.filter(channel="webhook", state="scheduled").exists()


def test_a_redirect_is_a_failure_that_says_so_and_is_not_followed(
    receiver: Sink, tell: Tell
) -> None:
    owner = ann()
    made, _ = endpoint(owner, receiver, "/redirect")
    tell(owner)

    (attempt,) = DeliveryAttempt.objects.all()
    assert attempt.status_code == 302
    assert "Redirects are not followed" in attempt.reason
    assert len(receiver.arrived()) == 1
    assert webhook_endpoints.get(owner.id, made.id).disabled_at is None


def test_the_log_has_request_answer_and_time_and_no_secret(receiver: Sink, tell: Tell) -> None:
    owner = ann()
    made, secret = endpoint(owner, receiver)
    tell(owner)

    (delivery,) = webhook_log.of_endpoint(owner.id, made.id)
    (attempt,) = delivery.attempts.all()
    assert attempt.request["url"] == made.url
    assert attempt.request["headers"]["webhook-id"] == delivery.message_id
    assert (attempt.status_code, attempt.outcome) == (204, "delivered")
    assert attempt.took_ms >= 0
    assert secret not in json.dumps(attempt.request)
    assert "v1,..." in json.dumps(attempt.request)


def test_a_replay_has_the_same_id_and_body(receiver: Sink, tell: Tell, carry_all: Run) -> None:
    owner = ann()
    made, _ = endpoint(owner, receiver)
    tell(owner)
    delivery = Delivery.objects.get()
    with pytest.raises(TooSoon):
        webhook_log.replay(owner.id, made.id, delivery.id)
    DeliveryAttempt.objects.update(started_at=F("started_at") - timedelta(minutes=1))

    webhook_log.replay(owner.id, made.id, delivery.id)
    carry_all()

    first, second = receiver.arrived()
    assert (first["id"], first["body"]) == (second["id"], second["body"])
    assert Delivery.objects.get().replay_count == 1


def test_a_test_says_what_came_back(receiver: Sink) -> None:
    owner = ann()
    made, secret = endpoint(owner, receiver, "/status/503")

    delivery = webhook_log.test(owner.id, made.id, event_type="video.failed")

    (attempt,) = delivery.attempts.all()
    (got,) = receiver.arrived()
    assert attempt.status_code == 503
    assert delivery.state == "abandoned"
    assert Webhook(secret).verify(got["body"], got["headers"])["type"] == "video.failed"
    with pytest.raises(TooSoon):
        webhook_log.test(owner.id, made.id, event_type="video.failed")


def test_strangers_find_no_endpoint_of_others(receiver: Sink) -> None:
    owner, stranger = ann(), bob()
    made, _ = endpoint(owner, receiver)
    acts: list[Callable[[UUID], Any]] = [
        lambda who: webhook_endpoints.get(who, made.id),
        lambda who: webhook_endpoints.update(who, made.id, {"name": "mine"}),
        lambda who: webhook_endpoints.delete(who, made.id),
        lambda who: webhook_endpoints.rotate(who, made.id),
        lambda who: webhook_log.test(who, made.id, event_type="video.failed"),
        lambda who: webhook_log.replay(who, made.id, made.id),
    ]
    for act in acts:
        with pytest.raises(EndpointMissing):
            act(stranger.id)

    assert webhook_endpoints.get(owner.id, made.id).name == ""


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"event_types": []}, "event_types"),
        ({"event_types": ["job.succeeded"]}, "event_types"),
        ({"event_types": "video.failed"}, "event_types"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"name": "two\nlines"}, "name"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(
    receiver: Sink, values: dict[str, Any], field: str
) -> None:
    given = {"url": f"http://127.0.0.1:{receiver.port}/", "event_types": ["video.failed"]}

    with pytest.raises(InvalidValues) as refusal:
        webhook_endpoints.create(ann().id, **{**given, **values})

    assert list(refusal.value.faults) == [field]


def test_a_disabled_endpoint_gets_nothing_until_it_is_enabled(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    made, _ = endpoint(owner, receiver)
    webhook_endpoints.update(owner.id, made.id, {"is_enabled": False})
    succeeded(owner)
    relay_all()
    with pytest.raises(EndpointDisabled):
        webhook_log.test(owner.id, made.id, event_type="video.failed")
    webhook_endpoints.update(owner.id, made.id, {"is_enabled": True})
    job = succeeded(owner)
    relay_all()

    carry_all()

    (got,) = receiver.arrived()
    assert json.loads(got["body"])["data"]["id"] == f"video_{job.id.hex}"


def test_a_target_that_fails_is_paused_and_then_tried_with_one() -> None:
    assert delivery_policy.pause(2, jitter=0.5) == 0
    assert delivery_policy.at_once(2, failures=2) == 2
    assert delivery_policy.pause(3, jitter=0.5) > 0
    assert delivery_policy.at_once(2, failures=3) == 1


def test_the_schedule_is_the_specifications_over_three_days() -> None:
    delays = WebhookChannel.delays
    for jitter in (0.0, 0.999):
        waits = [
            delivery_policy.next_delay(delays, tries=tries, jitter=jitter) or 0.0
            for tries in range(1, len(delays) + 1)
        ]
        assert waits == sorted(waits)
        assert 3 * 86_400 <= sum(waits) <= 4 * 86_400
    assert delivery_policy.next_delay(delays, tries=len(delays) + 1, jitter=0.5) is None
    assert delivery_policy.next_delay(delays, tries=1, jitter=0.0, wish=60) == 60
    assert delivery_policy.next_delay(delays, tries=1, jitter=0.0, wish=10**9) == 86_400
