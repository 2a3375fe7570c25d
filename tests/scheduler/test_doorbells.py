"""Doorbells: written as Celery writes them, rung again where the message is lost, and only there."""

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from django.db import connection

from jobs.models import Pool
from scheduler import dispatch, doorbells
from scheduler.doorbells import Doorbell
from tests.factories import ann, queued

pytestmark = pytest.mark.django_db(transaction=True)

# What differs from message to message.
_OWN = {
    "id",
    "root_id",
    "correlation_id",
    "delivery_tag",
    "origin",
    "reply_to",
    "expires",
    "expiration",
}


@pytest.fixture
def broker() -> Iterator["redis.Redis"]:
    """Give the broker, empty before and after."""
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        client.flushdb()
        yield client
        client.flushdb()


def _granted(count: int) -> list[Doorbell]:
    owner = ann()
    Pool.objects.update(slots=count)
    for _ in range(count):
        queued(owner)
    return dispatch.grant_free_slots()


def _time_passes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("update lease set granted_at = now() - interval '10 seconds'")


def _shape(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message without what is its own: which keys it has, and what is the same in all."""
    return {
        name: _shape(value) if isinstance(value, dict) else None if name in _OWN else value
        for name, value in message.items()
    }


def test_a_message_is_what_celery_would_send(broker: "redis.Redis") -> None:
    (doorbell,) = _granted(1)
    args = [str(doorbell.job_id), doorbell.attempt]

    current_app.send_task(
        "jobs.run_attempt", args=args, queue=doorbell.queue, expires=30, ignore_result=True
    )
    doorbells.ring([doorbell])

    ours, theirs = (json.loads(one) for one in broker.lrange(doorbell.queue, 0, -1))
    # Redis does not end messages; Celery's workers do, by `expires`.
    del theirs["properties"]["expiration"]
    assert _shape(ours) == _shape(theirs)
    assert json.loads(b64decode(ours["body"])) == json.loads(b64decode(theirs["body"]))
    left = datetime.fromisoformat(ours["headers"]["expires"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= settings.LEASE_SECONDS


def test_workers_hear_doorbells_in_the_order_of_the_grants(broker: "redis.Redis") -> None:
    rung = _granted(3)

    doorbells.ring(rung)

    heard = [json.loads(broker.rpop(rung[0].queue)) for _ in rung]  # type: ignore[arg-type]  # one, not many
    assert [one["headers"]["id"] for one in heard] == [bell.name for bell in rung]


def test_what_nobody_took_is_lost_only_where_its_message_is(broker: "redis.Redis") -> None:
    rung = _granted(3)
    doorbells.ring(rung)
    assert doorbells.lost() == []
    _time_passes()
    assert doorbells.lost() == []

    taken = json.loads(broker.rpop(rung[0].queue))  # type: ignore[arg-type]  # one, not many
    (lost,) = doorbells.lost()
    assert lost.name == taken["headers"]["id"]
    broker.flushdb()

    assert sorted(bell.name for bell in doorbells.lost()) == sorted(bell.name for bell in rung)


def test_without_a_broker_nothing_is_raised_and_nothing_counts_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rung = _granted(1)
    _time_passes()
    away = redis.Redis(port=1, socket_connect_timeout=0.1)
    monkeypatch.setattr(doorbells, "_broker", lambda: away)

    doorbells.ring(rung)

    assert doorbells.lost() == []
