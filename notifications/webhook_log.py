"""What was sent to an endpoint: listed, looked at, sent again, and tried once on request."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from notifications import announcements, courier, deliveries, webhook_endpoints
from notifications.channel import Parcel, Planned
from notifications.channels import registry
from notifications.channels.webhook import content
from notifications.errors import DeliveryMissing, EndpointDisabled, InvalidValues, TooSoon
from notifications.message_ids import public_id
from notifications.models import Delivery, DeliveryAttempt
from notifications.webhook_endpoints import CHANNEL, TEST

PAGE: Final = 100
# A test waits for a stranger's server in one of our threads, so one person has one at a time, seconds.
_TEST_EVERY: Final = 5
_REPLAY_EVERY: Final = 5
_LOCK_OWNER: Final = "select pg_advisory_xact_lock(7103, hashtext(%s))"
# Of each endpoint the newest, found by the index of targets; a busy one is counted up to that many.
_LATELY: Final = """
select e.id, count(d.id), count(d.id) filter (where d.state = 'delivered'),
    coalesce(max(r.failure_count), 0), (array_agg(d.state order by d.id desc))[1]
from webhook_endpoint e
left join delivery_route r on r.channel = %(channel)s and r.target = e.id::text
left join lateral (
    select id, state, created_at from delivery
    where target = e.id::text and owner_id = %(owner)s and channel = %(channel)s
    order by id desc limit 1000
) d on d.created_at > now() - interval '1 day'
where e.owner_id = %(owner)s
group by e.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """How an endpoint did in the last day, and how it does now."""

    total: int
    delivered: int
    # Failed tries since the last success.
    failures: int
    # Of the newest, a test too; empty when there was none.
    newest: str


def lately(owner_id: UUID) -> Mapping[UUID, Lately]:
    """Tell how each of the owner's endpoints does, of the newest thousand deliveries at most."""
    with connection.cursor() as cursor:
        cursor.execute(_LATELY, {"owner": owner_id, "channel": CHANNEL})
        return {
            endpoint_id: Lately(
                total=total, delivered=delivered, failures=failures, newest=newest or ""
            )
            for endpoint_id, total, delivered, failures, newest in cursor.fetchall()
        }


def of_endpoint(owner_id: UUID, endpoint_id: UUID) -> QuerySet[Delivery]:
    """Give what was sent to an endpoint, newest first, each with its tries."""
    tries = DeliveryAttempt.objects.order_by("number")
    return (
        Delivery.objects.filter(owner_id=owner_id, channel=CHANNEL, target=str(endpoint_id))
        .order_by("-id")
        .prefetch_related(Prefetch("attempts", queryset=tries))
    )


def get(owner_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """Give one delivery. Raises DeliveryMissing, also for those of others."""
    found = of_endpoint(owner_id, endpoint_id).filter(id=delivery_id).first()
    if found is None:
        raise DeliveryMissing
    return found


def replay(owner_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """Send a delivery again, with the same id and body and a schedule of its own.

    One that is under way is only hurried. Raises EndpointMissing, EndpointDisabled, DeliveryMissing, TooSoon.
    """
    if webhook_endpoints.get(owner_id, endpoint_id).disabled_at is not None:
        raise EndpointDisabled
    found = get(owner_id, endpoint_id, delivery_id)
    newest = found.attempts.order_by("-number").values_list("started_at", flat=True).first()
    if newest and timezone.now() - newest < timedelta(seconds=_REPLAY_EVERY):
        raise TooSoon(retry_after_seconds=_REPLAY_EVERY)
    deliveries.replay(found.id)
    return get(owner_id, endpoint_id, delivery_id)


def test(owner_id: UUID, endpoint_id: UUID, *, event_type: object) -> Delivery:
    """Send one message that says it is a test, wait for the answer, and give its delivery with its one try.

    Takes up to 20 seconds. Raises EndpointMissing, EndpointDisabled, InvalidValues, TooSoon.
    """
    known = announcements.webhook_types()
    if not isinstance(event_type, str) or event_type not in known:
        raise InvalidValues({"event_type": f"Send one of: {', '.join(known)}."})
    if webhook_endpoints.get(owner_id, endpoint_id).disabled_at is not None:
        raise EndpointDisabled
    with webhook_endpoints.place_to_wait():
        parcel = _begin_test(owner_id, endpoint_id, event_type)
        courier.attempt(registry.channels()[CHANNEL], parcel, is_only=True)
    return get(owner_id, endpoint_id, parcel.id)


def _begin_test(owner_id: UUID, endpoint_id: UUID, event_type: str) -> Parcel:
    subject = uuid4()
    message_id = public_id(subject, TEST)
    # An id that no video has: whoever looks for it finds nothing.
    data = {"id": f"video_{subject.hex}", "is_test": True}
    body = content(event_type, message_id, data, at=int(timezone.now().timestamp()))
    planned = Planned(target=str(endpoint_id), message_id=message_id, content=body)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_OWNER, [str(owner_id)])
        tests = Delivery.objects.filter(owner_id=owner_id, channel=CHANNEL, name=TEST)
        fresh = Q(created_at__gt=Now() - timedelta(seconds=_TEST_EVERY))
        if tests.filter(fresh | Q(claimed_until__gt=Now())).exists():
            raise TooSoon(retry_after_seconds=_TEST_EVERY)
        return deliveries.begin(
            registry.channels()[CHANNEL], planned, owner_id=owner_id, name=TEST, subject_id=subject
        )
