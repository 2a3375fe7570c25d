"""What health says, and with which code: 503 is for what serves nobody."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from scheduler import dispatcher, ticks
from scheduler.models import Canary, Tick
from tests.factories import ann
from videogen import canaries, health

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _known_anew() -> None:
    health._found_migrated.cache_clear()


def _working() -> None:
    ann()
    ticks.claim(dispatcher.TICK, period=3)
    ticks.claim("expire_waiting", period=2)
    canaries.Aviary().step()


def test_all_is_well() -> None:
    _working()

    answer = Client().get("/health/ready")

    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "ready")
    assert {name: told[name] for name in ("database", "migrations", "redis")} == {
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
    }
    assert told["dispatcher"]["age_seconds"] < 60
    assert told["queues"]["known"] > 1
    # Names of pools are nobody's business here.
    assert "gpu." not in answer.content.decode()


@pytest.mark.parametrize("part", ["dispatcher", "beat", "queues"])
def test_what_does_not_do_its_work_degrades_and_is_named(part: str) -> None:
    _working()
    past = timezone.now() - timedelta(hours=1)
    if part == "queues":
        Canary.objects.update(known_at=past, heard_at=None)
    else:
        ticks_of = Tick.objects.filter(name=dispatcher.TICK)
        (ticks_of if part == "dispatcher" else Tick.objects.exclude(name=dispatcher.TICK)).update(
            claimed_at=Now() - timedelta(hours=1)
        )

    answer = Client().get("/health/ready")

    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, "degraded")
    assert [name for name in ("dispatcher", "beat", "queues") if told[name]["status"] != "ok"] == [
        part
    ]


def test_without_redis_it_is_slower_but_right(settings: object) -> None:
    _working()
    settings.REDIS_URL = "redis://127.0.0.1:1"  # type: ignore[attr-defined]

    answer = Client().get("/health/ready")

    assert (answer.status_code, answer.json()["redis"]) == (200, "away")


def test_a_database_that_is_older_than_the_code_serves_nobody() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "delete from django_migrations where app = 'scheduler' and name like '0005%%'", []
        )

    answer = Client().get("/health/ready")

    assert (answer.status_code, answer.json()["migrations"]) == (503, "missing")
    assert answer.headers["Retry-After"]
