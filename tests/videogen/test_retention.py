"""What is kept for a time goes when it is over, in bounded batches that an index finds."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import idempotency, images, inbox
from notifications import centre, deliveries, retention
from notifications.models import Notification
from scheduler import sweeps
from tests.factories import ann
from videogen.accounts import exports, sessions

pytestmark = pytest.mark.django_db


def _told(count: int, *, days_ago: int) -> None:
    owner_id = ann().id
    created_at = timezone.now() - timedelta(days=days_ago)
    Notification.objects.bulk_create(
        Notification(
            event_id=number, owner_id=owner_id, name="job.succeeded", subject_id=owner_id,
            payload={}, created_at=created_at,
        )
        for number in range(count)
    )  # fmt: skip


def test_old_notifications_go_in_bounded_batches_and_newer_ones_stay() -> None:
    _told(3, days_ago=91)
    Notification.objects.filter(event_id=2).update(created_at=timezone.now())

    assert centre.forget(days=90, limit=1) == 1
    assert centre.forget(days=90, limit=10) == 1
    assert centre.forget(days=90, limit=10) == 0
    assert Notification.objects.get().event_id == 2


def test_a_session_that_is_over_goes_with_its_device() -> None:
    ann()
    for _ in range(3):
        Client().post("/sign-in", {"username": "ann@example.com", "password": "a long password"})
    live = Session.objects.order_by("session_key").first()
    assert live
    over = Session.objects.exclude(pk=live.pk)
    assert over.update(expire_date=timezone.now() - timedelta(seconds=1)) == 2

    assert sessions.forget(limit=1) == 1
    assert sessions.forget() == 1
    assert sessions.forget() == 0
    assert Session.objects.get() == live
    assert UserSession.objects.get().session_key == live.session_key


def test_a_pile_goes_batch_by_batch_until_none_is_left() -> None:
    _told(7, days_ago=91)
    sizes: list[int] = []

    def forget(*, limit: int) -> int:
        sizes.append(centre.forget(days=90, limit=limit))
        return sizes[-1]

    gone = retention.drop("notifications", forget, batch=3)

    assert gone == 7
    assert sizes == [3, 3, 1]


def test_a_pass_ends_in_time_and_leaves_the_rest_to_the_next() -> None:
    _told(7, days_ago=91)

    gone = retention.drop("notifications", partial(centre.forget, days=90), batch=3, longest=0)

    assert gone == 3
    assert Notification.objects.count() == 4


@pytest.mark.parametrize(
    "forget",
    [
        lambda: idempotency.forget(limit=10),
        lambda: images.forget(limit=10),
        lambda: inbox.forget(older_than_seconds=1, limit=10),
        lambda: deliveries.forget(days=1, limit=10),
        lambda: centre.forget(days=1, limit=10),
        sweeps.forget_tickets,
        sessions.forget,
        exports.forget,
    ],
    ids=[
        "keys",
        "images",
        "messages",
        "deliveries",
        "notifications",
        "tickets",
        "sessions",
        "exports",
    ],
)
def test_no_batch_reads_a_whole_table(forget: Callable[[], Any]) -> None:
    with CaptureQueriesContext(connection) as done:
        forget()
    asked = [one["sql"].strip() for one in done]
    statements = [
        one for one in asked if one.startswith(("delete", "with", "select", "SELECT", "DELETE"))
    ]
    assert statements

    with connection.cursor() as cursor:
        # With an index to choose, the planner never reads what it was told not to.
        cursor.execute("set local enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"explain {statement.replace('%', '%%')}", [])
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan" not in plan, plan
            assert "limit" in statement.lower() or "in (" in statement.lower(), statement
