"""Browsers and phones that are told by push: registered, listed, removed. Nothing here sends to them.

A browser or app tells one person: whoever registers it last. Another person's registration is removed then, with what
waits for it, so that a target never changes its owner. [Lock order] of deliveries: target, route, delivery, outbox.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import uuid_utils.compat
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from notifications import deliveries, prepared, routes, safe_http, vapid, webhook_endpoints
from notifications.announcements import Announcement
from notifications.channel import Planned
from notifications.errors import InvalidValues, PushTargetMissing
from notifications.event import Event
from notifications.message_ids import public_id
from notifications.models import Platform, PushDevice, PushSubscription

WEB: Final = "web_push"
MOBILE: Final = "mobile_push"
# Of each kind; the one that was not heard of for longest makes room.
MOST_TARGETS: Final = 20
_LONGEST_NAME: Final = 100
_LONGEST_TOKEN: Final = 4096
_LONGEST_AGENT: Final = 300
_MOVED: Final = "Somebody else signed in there."
_LOCK: Final = "select pg_advisory_xact_lock(7103, hashtext(%s))"
# Asked for all ends of jobs that are told together.
_BROWSERS: Final = """
select owner_id, id from push_subscription where owner_id = any(%s) order by id desc
"""
_DEVICES: Final = "select owner_id, id from push_device where owner_id = any(%s) order by id desc"

Target = PushSubscription | PushDevice
Kind = TypeVar("Kind", PushSubscription, PushDevice)


def add_browser(
    owner_id: UUID, values: Mapping[str, object], *, vapid_key: str, agent: str, session: str
) -> tuple[PushSubscription, bool]:
    """Register what a browser's `PushSubscription.toJSON()` says; give it, and whether it is new.

    Looks the endpoint's host up, so never call it in a transaction. Raises InvalidValues.
    """
    keys = values.get("keys")
    inner = keys if isinstance(keys, Mapping) else {}
    given = {
        "expirationTime": None,
        **values,
        **{f"keys.{str(name)[:64]}": value for name, value in inner.items()},
    }
    found = _checked(
        given,
        readers={
            **{f"keys.{str(name)[:64]}": _unknown for name in inner},
            "expirationTime": _moment,
            "endpoint": _endpoint,
            "keys.p256dh": _browser_key,
            "keys.auth": _browser_secret,
            "name": _name,
        },
    )
    details = {
        "p256dh": found["keys.p256dh"],
        "auth": found["keys.auth"],
        "name": found["name"],
        "vapid_key": vapid_key,
        "user_agent": agent[:_LONGEST_AGENT],
        "session_digest": _digest(session),
    }
    return _put(PushSubscription, owner_id, {"endpoint": found["endpoint"]}, details)


def add_device(
    owner_id: UUID, values: Mapping[str, object], *, session: str
) -> tuple[PushDevice, bool]:
    """Register an app's token; give it, and whether it is new. Raises InvalidValues."""
    found = _checked(values, readers={"platform": _platform, "token": _token, "name": _name})
    unique = {"token_digest": _digest(found["token"])}
    return _put(PushDevice, owner_id, unique, {**found, "session_digest": _digest(session)})


def browsers(owner_id: UUID) -> QuerySet[PushSubscription]:
    """Give the owner's browsers, newest first."""
    return PushSubscription.objects.filter(owner_id=owner_id).order_by("-id")


def devices(owner_id: UUID) -> QuerySet[PushDevice]:
    """Give the owner's phones, newest first."""
    return PushDevice.objects.filter(owner_id=owner_id).order_by("-id")


def ids_of_browsers(owners: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    """Give the ids of these owners' browsers, newest first."""
    return _ids(_BROWSERS, owners)


def ids_of_devices(owners: Collection[UUID]) -> Mapping[UUID, list[UUID]]:
    """Give the ids of these owners' phones, newest first."""
    return _ids(_DEVICES, owners)


def planned(
    told: Sequence[tuple[Event, Announcement]], targets: Mapping[UUID, list[UUID]]
) -> list[tuple[Event, Planned]]:
    """Make a delivery of each event for every target of its owner."""
    return [
        (
            event,
            Planned(
                target=str(target),
                message_id=public_id(event.subject_id, f"{event.name}:{event.id}"),
            ),
        )
        for event, _ in told
        for target in targets.get(event.owner_id, ())
    ]


def _ids(statement: str, owners: Collection[UUID]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    for owner_id, target in prepared.run(statement, [list(owners)]):
        found.setdefault(owner_id, []).append(target)
    return found


def browser(owner_id: UUID, target_id: UUID) -> PushSubscription:
    """Give one browser. Raises PushTargetMissing, also for those of others."""
    return _one(browsers(owner_id), target_id)


def device(owner_id: UUID, target_id: UUID) -> PushDevice:
    """Give one phone. Raises PushTargetMissing, also for those of others."""
    return _one(devices(owner_id), target_id)


def remove_browser(owner_id: UUID, target_id: UUID) -> None:
    """Tell a browser nothing any more. Raises PushTargetMissing."""
    browser(owner_id, target_id)
    _remove(browsers(owner_id).filter(id=target_id), reason="Push was turned off there.")


def remove_device(owner_id: UUID, target_id: UUID) -> None:
    """Tell a phone nothing any more. Raises PushTargetMissing."""
    device(owner_id, target_id)
    _remove(devices(owner_id).filter(id=target_id), reason="Push was turned off there.")


def remove_dead(channel: str, target_id: UUID, *, reason: str) -> None:
    """Forget a target that is no more, in the caller's transaction."""
    _remove(_KINDS[channel].objects.filter(id=target_id), reason=reason[:300])


def end_sessions(sessions: list[str]) -> None:
    """Forget what these sessions registered: whoever signed out there is told nothing there."""
    digests = [_digest(session) for session in sessions if session]
    for kind in _KINDS.values():
        _remove(kind.objects.filter(session_digest__in=digests), reason="They signed out there.")


def end_all_sessions(owner_id: UUID) -> None:
    """Forget what any session of somebody registered; what their keys registered stays."""
    for kind in _KINDS.values():
        mine = kind.objects.filter(owner_id=owner_id).exclude(session_digest="")
        _remove(mine, reason="The password was changed.")


_KINDS: Final[Mapping[str, type[Target]]] = {WEB: PushSubscription, MOBILE: PushDevice}


def _put(
    kind: type[Kind], owner_id: UUID, unique: Mapping[str, str], details: Mapping[str, Any]
) -> tuple[Kind, bool]:
    """Make the row of a browser or app, or say again that it is there."""
    everybodys = kind.objects.filter(**unique)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [next(iter(unique.values()))])
        _remove(everybodys.exclude(owner_id=owner_id), reason=_MOVED)
        known = everybodys.filter(owner_id=owner_id).update(**details, confirmed_at=Now())
        if not known:
            kind.objects.create(
                id=uuid_utils.compat.uuid7(), owner_id=owner_id, **unique, **details
            )
        kept = kind.objects.filter(owner_id=owner_id).order_by("-confirmed_at", "-id")
        _remove(
            kind.objects.filter(id__in=list(kept.values_list("id", flat=True)[MOST_TARGETS:])),
            reason=f"There are {MOST_TARGETS} others.",
        )
    return everybodys.get(), not known


def _remove(targets: Any, *, reason: str) -> None:
    with transaction.atomic():
        for target in targets.select_for_update().order_by("id"):
            channel = WEB if isinstance(target, PushSubscription) else MOBILE
            deliveries.abandon(channel, str(target.id), reason=reason)
            routes.remove(channel, str(target.id))
            target.delete()


def _one(found: QuerySet[Kind], target_id: UUID) -> Kind:
    target = found.filter(id=target_id).first()
    if target is None:
        raise PushTargetMissing
    return target


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _checked(values: Mapping[str, object], *, readers: Mapping[str, Any]) -> dict[str, Any]:
    faults: dict[str, str] = {}
    found: dict[str, Any] = {}
    for name, reader in readers.items():
        try:
            found[name] = reader(values.get(name, ""))
        except (ValueError, vapid.Unusable, safe_http.Refused, safe_http.NoAnswer) as error:
            faults[name] = str(error)
    if faults:
        raise InvalidValues(faults)
    return found


def _endpoint(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("Send the endpoint of the browser's subscription.")
    with webhook_endpoints.place_to_wait():
        safe_http.check(value)
    return value


def _browser_key(value: object) -> str:
    vapid.check_browser_key(str(value))
    return str(value)


def _browser_secret(value: object) -> str:
    vapid.check_browser_secret(str(value))
    return str(value)


def _unknown(value: object) -> str:
    raise ValueError("This field is not known. Remove it.")


def _moment(value: object) -> None:
    # Push services end subscriptions by 404 and 410; the moment that browsers name is seldom there.
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise ValueError("Send a number or null.")  # noqa: TRY004 - told to a person


def _platform(value: object) -> str:
    if value not in Platform.values:
        raise ValueError(f"Send one of: {', '.join(Platform.values)}.")
    return str(value)


def _token(value: object) -> str:
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _LONGEST_TOKEN
        or not value.isprintable()
    ):
        raise ValueError("Send the token that Firebase gave the app.")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_NAME or not value.isprintable():
        raise ValueError(f"Send at most {_LONGEST_NAME} printable characters.")
    return value
