"""Addresses of users' programs: made, changed, given new secrets, disabled. Nothing here sends to them.

[Lock order] of deliveries: endpoint, route, delivery, outbox.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import uuid_utils.compat
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from notifications import (
    announcements,
    deliveries,
    outbox,
    prepared,
    routes,
    safe_http,
    sealing,
    signing,
)
from notifications.errors import EndpointMissing, InvalidValues, TooManyEndpoints, TooSoon
from notifications.event import Event
from notifications.models import WebhookEndpoint

# What the owner is told when an endpoint of theirs was disabled, and the name of a test that they asked for.
DISABLED: Final = "webhook_endpoint.disabled"
TEST: Final = "webhook_endpoint.tested"
CHANNEL: Final = "webhook"
MOST_ENDPOINTS: Final = 10
# A rotated secret signs beside the new one for a day, unless it leaked; never longer than a week.
OVERLAP_SECONDS: Final = 86_400
_LONGEST_OVERLAP: Final = 7 * 86_400
_LONGEST_NAME: Final = 100
_BY_OWNER: Final = "Disabled by you."
# Of a web process's eight threads, so many may wait for names and servers of strangers.
_WAITING: Final = threading.BoundedSemaphore(3)
_COME_BACK: Final = 3
_LOCK_OWNER: Final = "select pg_advisory_xact_lock(7102, hashtext(%s))"
# Asked for every end of a job: written out, it costs a third of what building it anew does.
_LISTENING: Final = """
select given.event_id, e.id
from unnest(%(events)s::bigint[], %(owners)s::uuid[], %(types)s::text[], %(times)s::timestamptz[])
    as given (event_id, owner_id, type, at)
join webhook_endpoint e on e.owner_id = given.owner_id and e.disabled_at is null
    and e.event_types @> to_jsonb(given.type) and e.listens_since <= given.at
order by given.event_id, e.id
"""
_DISABLE_DEAD: Final = """
update webhook_endpoint e set disabled_at = now(), disabled_reason = %(reason)s, updated_at = now()
where id = %(id)s and disabled_at is null and (%(is_gone)s or not exists (
    select 1 from delivery_route l where l.channel = %(channel)s and l.target = e.id::text
        and l.succeeded_at > now() - interval '3 days'))
returning owner_id, url
"""


def create(
    owner_id: UUID, *, url: object, event_types: object, name: object = ""
) -> tuple[WebhookEndpoint, str]:
    """Add an endpoint; give it and its secret, which is shown only now.

    Looks the address up, so never call it in a transaction. Raises InvalidValues, TooManyEndpoints.
    """
    values = _checked({"url": url, "event_types": event_types, "name": name})
    secret = signing.new_secret()
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_OWNER, [str(owner_id)])
        if WebhookEndpoint.objects.filter(owner_id=owner_id).count() >= MOST_ENDPOINTS:
            raise TooManyEndpoints(limit=MOST_ENDPOINTS)
        made = WebhookEndpoint.objects.create(
            id=uuid_utils.compat.uuid7(),
            owner_id=owner_id,
            sealed_secret=sealing.seal(secret),
            secret_hint=signing.hint(secret),
            **values,
        )
    return get(owner_id, made.id), secret


def of_owner(owner_id: UUID) -> QuerySet[WebhookEndpoint]:
    """Give the owner's endpoints, newest first."""
    return WebhookEndpoint.objects.filter(owner_id=owner_id).order_by("-id")


def get(owner_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """Give one endpoint. Raises EndpointMissing, also for those of others."""
    found = WebhookEndpoint.objects.filter(owner_id=owner_id, id=endpoint_id).first()
    if found is None:
        raise EndpointMissing
    return found


def update(owner_id: UUID, endpoint_id: UUID, changes: Mapping[str, object]) -> WebhookEndpoint:
    """Change `url`, `event_types`, `name` or `is_enabled`. Raises InvalidValues, EndpointMissing.

    What is as it was leaves `updated_at` as it is. Looks a new address up, so never call it in a transaction.
    """
    get(owner_id, endpoint_id)
    values = _checked(changes)
    wants = values.pop("is_enabled", None)
    with transaction.atomic(durable=True):
        endpoint = _locked(owner_id, endpoint_id)
        if wants or "url" in values:
            routes.forgive(CHANNEL, str(endpoint_id))
        values = {name: one for name, one in values.items() if getattr(endpoint, name) != one}
        if "event_types" in values or (wants and endpoint.disabled_at is not None):
            values["listens_since"] = Now()
        if wants is False and endpoint.disabled_at is None:
            values |= {"disabled_at": Now(), "disabled_reason": _BY_OWNER}
            deliveries.abandon(CHANNEL, str(endpoint_id), reason="The endpoint was disabled.")
        if wants and endpoint.disabled_at is not None:
            values |= {"disabled_at": None, "disabled_reason": ""}
        if values:
            WebhookEndpoint.objects.filter(id=endpoint_id).update(updated_at=Now(), **values)
    return get(owner_id, endpoint_id)


def delete(owner_id: UUID, endpoint_id: UUID) -> None:
    """Delete an endpoint; what is on its way is given up. Its deliveries stay listed for a while."""
    with transaction.atomic(durable=True):
        _locked(owner_id, endpoint_id)
        deliveries.abandon(CHANNEL, str(endpoint_id), reason="The endpoint was deleted.")
        routes.remove(CHANNEL, str(endpoint_id))
        WebhookEndpoint.objects.filter(id=endpoint_id).delete()


def rotate(
    owner_id: UUID, endpoint_id: UUID, *, keep_old_seconds: object = OVERLAP_SECONDS
) -> tuple[WebhookEndpoint, str]:
    """Make a new secret; give it, shown only now. The old one also signs for so many seconds."""
    overlap = _seconds(keep_old_seconds)
    secret = signing.new_secret()
    with transaction.atomic(durable=True):
        endpoint = _locked(owner_id, endpoint_id)
        WebhookEndpoint.objects.filter(id=endpoint_id).update(
            sealed_secret=sealing.seal(secret),
            secret_hint=signing.hint(secret),
            sealed_old_secret=endpoint.sealed_secret if overlap else "",
            updated_at=Now(),
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "update webhook_endpoint set old_secret_until = now() + make_interval(secs => %s)"
                " where id = %s",
                [overlap, endpoint_id],
            )
    return get(owner_id, endpoint_id), secret


def live_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """Open the secrets that sign now, the newest first. Raises sealing.CannotOpen."""
    found = [sealing.unseal(endpoint.sealed_secret)]
    until = endpoint.old_secret_until
    if endpoint.sealed_old_secret and until is not None and now < until:
        found.append(sealing.unseal(endpoint.sealed_old_secret))
    return found


def listening(told: Sequence[tuple[Event, str]]) -> Mapping[int, list[UUID]]:
    """Give, by event, the endpoints that are told of it by its public type, as they listened when it was recorded."""
    found: dict[int, list[UUID]] = {}
    values = {
        "events": [event.id for event, _ in told],
        "owners": [event.owner_id for event, _ in told],
        "types": [event_type for _, event_type in told],
        "times": [event.recorded_at for event, _ in told],
    }
    for event_id, endpoint in prepared.run(_LISTENING, values):
        found.setdefault(event_id, []).append(endpoint)
    return found


def disable_dead(endpoint_id: UUID, reason: str, *, is_gone: bool) -> None:
    """Disable an endpoint that said that it is gone or took nothing for three days; tell its owner once."""
    values: dict[str, Any] = {
        "id": endpoint_id,
        "reason": reason[:300],
        "is_gone": is_gone,
        "channel": CHANNEL,
    }
    with connection.cursor() as cursor:
        cursor.execute(_DISABLE_DEAD, values)
        found = cursor.fetchone()
    if found is None:
        return
    deliveries.abandon(CHANNEL, str(endpoint_id), reason="The endpoint was disabled.")
    outbox.record(
        DISABLED,
        subject_id=endpoint_id,
        owner_id=found[0],
        payload={"url": found[1], "reason": reason},
    )


@contextmanager
def place_to_wait() -> Iterator[None]:
    """Take one of the few places of this process for requests that wait for a stranger's server. Raises TooSoon."""
    if not _WAITING.acquire(blocking=False):
        raise TooSoon(retry_after_seconds=_COME_BACK)
    try:
        yield
    finally:
        _WAITING.release()


def _locked(owner_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    found = (
        WebhookEndpoint.objects.select_for_update(of=("self",), no_key=True)
        .filter(owner_id=owner_id, id=endpoint_id)
        .first()
    )
    if found is None:
        raise EndpointMissing
    return found


def _checked(values: Mapping[str, object]) -> dict[str, Any]:
    readers = {
        "url": _url,
        "event_types": _event_types,
        "name": _name,
        "is_enabled": _flag,
    }
    faults: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, value in values.items():
        reader = readers.get(name)
        if reader is None:
            faults[str(name)[:64]] = "This field is not known. Remove it."
            continue
        try:
            found[name] = reader(value)
        except ValueError as error:
            faults[name] = str(error)
    if faults:
        raise InvalidValues(faults)
    return found


def _url(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("Send the address that is to be told, beginning with https://.")
    try:
        with place_to_wait():
            safe_http.check(value)
    except (safe_http.Refused, safe_http.NoAnswer) as refusal:
        raise ValueError(str(refusal)) from refusal
    return value


def _event_types(value: object) -> list[str]:
    known = announcements.webhook_types()
    if (
        not isinstance(value, Sequence)
        or not value
        or not all(isinstance(one, str) and one in known for one in value)
    ):
        raise ValueError(f"Send a list of one or more of: {', '.join(known)}.")
    return sorted(set(value))


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise ValueError(f"Send at most {_LONGEST_NAME} printable characters.")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Send true or false.")  # noqa: TRY004 - told to a person
    return value


def _seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LONGEST_OVERLAP:
        raise InvalidValues(
            {"keep_old_seconds": f"Send a whole number from 0 to {_LONGEST_OVERLAP:,}."}
        )
    return value
