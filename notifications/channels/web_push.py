"""Telling browsers that subscribed: one sealed message to the push service of each (RFC 8030, 8188, 8291, 8292)."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from notifications import crash_points, delivery_policy, push_targets, push_text, vapid
from notifications.announcements import Announcement
from notifications.channel import DeliveryFailed, Parcel, Planned, Receipt, Skipped
from notifications.event import Event
from notifications.models import PushSubscription
from notifications.safe_http import NoAnswer, Refused, Reply, post

# Who is away for longer finds it in the notification centre.
_KEPT_SECONDS: Final = 86_400
_GONE: Final = frozenset({404, 410})
# Push services must take 4,096 bytes of what we seal; that leaves 3,993 for the words (RFC 8291, 4).
LARGEST: Final = 3_993
_TOO_MANY: Final = 429
# No other try of the same message would be taken.
_PERMANENT: Final = frozenset({400, 401, 403, 413})
_EXCERPT: Final = 300


class WebPushChannel:
    name = push_targets.WEB
    # Told a day later, it is no news.
    delays: Sequence[float] = (10, 60, 300, 1800, 7200, 21_600)
    threads = 12
    per_target = 1
    # Endpoints are what browsers say; one that hangs must not hold the others.
    isolates = True
    asks_preferences = True

    @property
    def claim_seconds(self) -> float:
        """Give how long a try may stay unwritten."""
        return settings.COURIER_CLAIM_SECONDS

    def problem(self) -> str:
        """Say that the key is missing, or cannot be read."""
        if not settings.VAPID_PRIVATE_KEY:
            return "VAPID_PRIVATE_KEY is not set. `bin/manage vapid_keys` makes one."
        try:
            vapid.ours()
        except vapid.Unusable as error:
            return f"VAPID_PRIVATE_KEY cannot be used. {error}"
        return ""

    def plan(self, told: Sequence[tuple[Event, Announcement]]) -> list[tuple[Event, Planned]]:
        """Make a delivery for every browser of each owner."""
        targets = push_targets.ids_of_browsers({event.owner_id for event, _ in told})
        return push_targets.planned(told, targets)

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read the browser and the subject, and seal the words."""
        browser = PushSubscription.objects.filter(
            id=UUID(parcel.target), owner_id=parcel.owner_id
        ).first()
        if browser is None:
            raise Skipped("Push was turned off in that browser.")
        who = vapid.ours()
        if browser.vapid_key != who.public:
            raise DeliveryFailed(
                "It was subscribed with a key that is not ours any more.", is_gone=True
            )
        text = content(parcel.message_id, push_text.of(parcel))
        body = vapid.sealed_for(text, p256dh=browser.p256dh, auth=browser.auth)
        headers = {
            "authorization": vapid.authorization(who, browser.endpoint),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(_KEPT_SECONDS),
            "urgency": "normal",
            # While the browser is away, the newest about the same job is enough.
            "topic": push_text.tag(parcel.subject_id),
        }
        return lambda: _send(browser.endpoint, body, headers)

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Forget a browser that is gone. The notification centre has the same notice."""
        if is_gone:
            push_targets.remove_dead(self.name, UUID(parcel.target), reason=reason)


def content(message_id: str, words: push_text.Words) -> bytes:
    """Write what static/js/service-worker.js reads."""
    told = {
        "id": message_id,
        "title": words.title,
        "body": words.line,
        "url": words.url,
        "tag": words.tag,
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > LARGEST:
        raise DeliveryFailed(f"It has {len(text)} bytes; {LARGEST} fit.", permanent=True)
    return text


def _send(endpoint: str, body: bytes, headers: dict[str, str]) -> Receipt:
    # An endpoint is an address that only its browser and we should know.
    request: dict[str, Any] = {"method": "POST", "host": urlsplit(endpoint).netloc}
    try:
        reply = post(endpoint, body, headers=headers)
    except (Refused, NoAnswer) as error:
        raise DeliveryFailed(str(error), receipt=Receipt(request=request)) from error
    crash_points.reach("web_push.answered")
    answer = "".join(
        sign if sign.isprintable() else " "
        for sign in reply.body[:_EXCERPT].decode("utf-8", "replace")
    )
    return _judged(reply, Receipt(status_code=reply.status, request=request, answer=answer))


def _judged(reply: Reply, receipt: Receipt) -> Receipt:
    if 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110
        return receipt
    if reply.status in _GONE:
        raise DeliveryFailed(
            f"The browser unsubscribed ({reply.status}).", is_gone=True, receipt=receipt
        )
    wish = delivery_policy.seconds_asked(reply.headers.get("retry-after", ""), now=timezone.now())
    raise DeliveryFailed(
        f"The push service answered {reply.status}.",
        permanent=reply.status in _PERMANENT,
        retry_after=wish,
        wants_quiet=reply.status == _TOO_MANY,
        receipt=receipt,
    )
