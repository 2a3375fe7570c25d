"""Telling apps on phones, Apple's too: one message to Firebase Cloud Messaging for each device."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from notifications import crash_points, delivery_policy, fcm, push_targets, push_text
from notifications.announcements import Announcement
from notifications.channel import DeliveryFailed, Parcel, Planned, Receipt, Skipped
from notifications.event import Event
from notifications.models import PushDevice
from notifications.safe_http import NoAnswer

_KEPT_SECONDS: Final = 86_400
# The app was removed, or is another project's.
_GONE: Final = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
_TOO_MANY: Final = 429
_INVALID: Final = 400
# What Google asks to wait where it names no time.
_QUIET_SECONDS: Final = 60.0
_EXCERPT: Final = 300


class MobilePushChannel:
    name = push_targets.MOBILE
    delays: Sequence[float] = (10, 60, 300, 1800, 7200, 21_600)
    threads = 8
    per_target = 1
    # All of them are reached by way of the same service.
    isolates = False
    asks_preferences = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._quiet_until = 0.0

    @property
    def claim_seconds(self) -> float:
        """Give how long a try may stay unwritten: there may be a token to ask for first."""
        return settings.COURIER_CLAIM_SECONDS

    def problem(self) -> str:
        """Say that the service account is missing, or cannot be read."""
        if not settings.FCM_SERVICE_ACCOUNT:
            return (
                "FCM_SERVICE_ACCOUNT_FILE is not set: it names the key file of a Firebase project."
            )
        try:
            fcm.account(settings.FCM_SERVICE_ACCOUNT)
        except fcm.Unusable as error:
            return f"FCM_SERVICE_ACCOUNT cannot be used. {error}"
        return ""

    def plan(self, told: Sequence[tuple[Event, Announcement]]) -> list[tuple[Event, Planned]]:
        """Make a delivery for every device of each owner."""
        targets = push_targets.ids_of_devices({event.owner_id for event, _ in told})
        return push_targets.planned(told, targets)

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read the device and the subject, and write the message."""
        device = PushDevice.objects.filter(id=UUID(parcel.target), owner_id=parcel.owner_id).first()
        if device is None:
            raise Skipped("The app signed out there.")
        who = fcm.account(settings.FCM_SERVICE_ACCOUNT)
        told = message(parcel, push_text.of(parcel), token=device.token)
        return lambda: self._send(who, told)

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Forget a device whose token is dead. The notification centre has the same notice."""
        if is_gone:
            push_targets.remove_dead(self.name, UUID(parcel.target), reason=reason)

    def _send(self, who: fcm.ServiceAccount, told: Mapping[str, Any]) -> Receipt:
        receipt = Receipt(request={"to": "fcm", "project": who.project})
        if (left := self._quiet_until - time.monotonic()) > 0:
            raise DeliveryFailed("FCM asked for quiet.", retry_after=left, receipt=receipt)
        try:
            answer = fcm.send(who, told)
        except (NoAnswer, fcm.TokenRefused) as error:
            raise DeliveryFailed(f"FCM: {error}", receipt=receipt) from error
        crash_points.reach("mobile_push.answered")
        receipt = Receipt(
            status_code=answer.status, request=receipt.request, answer=answer.body[:_EXCERPT]
        )
        if 200 <= answer.status < 300:  # noqa: PLR2004 - RFC 9110
            return receipt
        raise self._failure(answer, receipt)

    def _failure(self, answer: fcm.Answer, receipt: Receipt) -> DeliveryFailed:
        wish = delivery_policy.seconds_asked(
            answer.headers.get("retry-after", ""), now=timezone.now()
        )
        if answer.status == _TOO_MANY:
            wish = wish or _QUIET_SECONDS
            with self._lock:
                self._quiet_until = max(self._quiet_until, time.monotonic() + wish)
        return DeliveryFailed(
            f"FCM answered {answer.status} {answer.error}.".replace(" .", "."),
            permanent=answer.status == _INVALID,
            is_gone=answer.error in _GONE,
            retry_after=wish,
            wants_quiet=answer.status == _TOO_MANY,
            receipt=receipt,
        )


def message(parcel: Parcel, words: push_text.Words, *, token: str) -> dict[str, Any]:
    """Write a message of FCM's HTTP v1 API: shown by the phone itself, without a prompt."""
    return {
        "token": token,
        "notification": {"title": words.title},
        # For the app: what it is, which one (it drops an id that it has seen), and what a tap opens.
        "data": {
            "id": parcel.message_id,
            "event": parcel.name,
            "subject_id": str(parcel.subject_id),
            "url": words.url,
        },
        "android": {
            "collapse_key": words.tag,
            "ttl": f"{_KEPT_SECONDS}s",
            "notification": {"tag": words.tag},
        },
        "apns": {
            "headers": {"apns-collapse-id": words.tag},
            "payload": {"aps": {"thread-id": parcel.name.partition(".")[0], "sound": "default"}},
        },
    }
