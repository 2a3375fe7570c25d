"""Dead letters in the console: seen, tried again with a reason, and noted."""

from uuid import uuid4

import pytest
from django.utils import timezone

from notifications.models import Delivery, OutboxEvent, ParkedEvent
from scheduler.models import Act
from tests.factories import ann, cy, queued
from tests.scheduler.staff import operator

pytestmark = pytest.mark.django_db


def test_a_dead_webhook_is_sent_again() -> None:
    owner, client = cy(), operator()
    dead = Delivery.objects.create(
        id=uuid4(),
        event_id=1,
        owner_id=owner.id,
        name="job.succeeded",
        subject_id=uuid4(),
        channel="webhook",
        target="t",
        message_id="m",
        state="abandoned",
        reason="It answered 500.",
        due_at=None,
        ended_at=timezone.now(),
    )

    page = client.get("/console/dead", {"kind": "webhooks"}).content.decode()
    nothing = client.post("/console/dead/replay", {"kind": "webhooks", "reason": "why"})
    sent = client.post(
        "/console/dead/replay",
        {"kind": "webhooks", "reason": "Their server is back.", "id": [str(dead.id), "no id"]},
        follow=True,
    )

    assert "It answered 500." in page
    assert nothing.status_code == 422
    assert "Choose at least one." in nothing.content.decode()
    assert "1 delivery scheduled again." in sent.content.decode()
    again = Delivery.objects.get()
    assert (again.state, again.replay_count, again.reason) == ("scheduled", 1, "")
    act = Act.objects.get()
    assert (act.verb, act.reason) == ("deliveries.replay", "Their server is back.")


def test_a_parked_event_that_is_still_not_heard_stays_and_says_why() -> None:
    relayed = queued(ann())
    event = OutboxEvent.objects.get(subject_id=relayed)
    parked = ParkedEvent.objects.create(
        event_id=event.id, subscriber="gone.subscriber", error="KeyError: 'x'"
    )
    missing = ParkedEvent.objects.create(event_id=event.id + 1, subscriber="a", error="E")
    client = operator()

    page = client.get("/console/dead").content.decode()
    sent = client.post(
        "/console/dead/replay",
        {"kind": "events", "reason": "Mended.", "id": [str(parked.pk), str(missing.pk)]},
        follow=True,
    ).content.decode()

    assert "KeyError: &#x27;x&#x27;" in page
    assert "1 event heard. 1 could not be:" in sent
    assert list(ParkedEvent.objects.all()) == [missing]
