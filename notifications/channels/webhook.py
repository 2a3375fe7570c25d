"""Telling users' programs: one signed POST to each endpoint that wants the event."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from notifications import crash_points, delivery_policy, sealing, signing, webhook_endpoints
from notifications.announcements import Announcement
from notifications.channel import DeliveryFailed, Parcel, Planned, Receipt, Skipped
from notifications.event import Event
from notifications.message_ids import public_id
from notifications.models import WebhookEndpoint
from notifications.safe_http import NoAnswer, Refused, Reply, post

# What of an answer is kept in the log.
_EXCERPT: Final = 1000
_GONE: Final = 410
_USER_AGENT: Final = "videogen-webhooks/1"


class WebhookChannel:
    name = "webhook"
    # The schedule of the Standard Webhooks specification: ten tries over three days.
    delays: Sequence[float] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    threads = 24
    per_target = 2
    isolates = True
    asks_preferences = False

    @property
    def claim_seconds(self) -> float:
        """Give how long a try may stay unwritten."""
        return settings.COURIER_CLAIM_SECONDS

    def problem(self) -> str:
        """Say that it always works: endpoints bring their own addresses."""
        return ""

    def plan(self, told: Sequence[tuple[Event, Announcement]]) -> list[tuple[Event, Planned]]:
        """Make a delivery for every endpoint of the owner that listens; none of what the owner did."""
        public = {
            event.id: (event, announcement)
            for event, announcement in told
            if announcement.webhook_type and event.payload.get("by") != "owner"
        }
        if not public:
            return []
        listening = webhook_endpoints.listening(
            [(event, announcement.webhook_type) for event, announcement in public.values()]
        )
        return [
            (event, planned)
            for event_id, endpoints in listening.items()
            for event, announcement in (public[event_id],)
            for planned in _planned(event, announcement, endpoints)
        ]

    def prepare(self, parcel: Parcel) -> Callable[[], Receipt]:
        """Read the endpoint and open its secrets."""
        if parcel.name == webhook_endpoints.TEST and parcel.attempt > 1:
            raise Skipped("The test was interrupted; whoever waited for it is gone.")
        endpoint = WebhookEndpoint.objects.filter(id=UUID(parcel.target)).first()
        if endpoint is None:
            raise Skipped("The endpoint was deleted.")
        if endpoint.disabled_at is not None:
            raise Skipped("The endpoint is disabled.")
        try:
            keys = webhook_endpoints.live_secrets(endpoint, now=timezone.now())
        except sealing.CannotOpen as error:
            raise DeliveryFailed(
                "Its secret cannot be opened. Rotate the secret, then replay this delivery."
            ) from error
        return lambda: _send(endpoint.url, parcel, keys)

    def given_up(self, parcel: Parcel, reason: str, *, is_gone: bool) -> None:
        """Disable an endpoint that is gone, or took nothing while a whole schedule ran out."""
        if parcel.name == webhook_endpoints.TEST:
            return
        webhook_endpoints.disable_dead(UUID(parcel.target), reason, is_gone=is_gone)


def _planned(
    event: Event, announcement: Announcement, endpoints: Sequence[UUID]
) -> Iterator[Planned]:
    message_id = public_id(event.subject_id, f"{event.name}:{event.id}")
    data = announcement.webhook_data(event) if announcement.webhook_data else {}
    at = int(event.recorded_at.timestamp())
    text = content(announcement.webhook_type, message_id, data, at=at)
    for endpoint in endpoints:
        yield Planned(target=str(endpoint), message_id=message_id, content=text)


def content(event_type: str, message_id: str, data: Mapping[str, Any], *, at: int) -> str:
    """Write the body: thin, so that receivers ask for what they need and see the present state."""
    body = {
        "id": message_id,
        "object": "event",
        "created_at": at,
        "type": event_type,
        "data": dict(data),
    }
    return json.dumps(body, separators=(",", ":"))


def _send(url: str, parcel: Parcel, keys: list[str]) -> Receipt:
    body = parcel.content.encode()
    signed = signing.headers(parcel.message_id, body, timestamp=int(time.time()), keys=keys)
    headers = {"content-type": "application/json", "user-agent": _USER_AGENT, **signed}
    request = {"method": "POST", "url": url, "headers": {**headers, "webhook-signature": "v1,..."}}
    try:
        reply = post(url, body, headers=headers)
    except Refused as refusal:
        raise DeliveryFailed(str(refusal), receipt=Receipt(request=request)) from refusal
    except NoAnswer as error:
        raise DeliveryFailed(str(error), receipt=Receipt(request=request)) from error
    crash_points.reach("webhook.answered")
    hidden = [*keys, *signed["webhook-signature"].split(" ")]
    receipt = Receipt(
        status_code=reply.status, request=request, answer=_excerpt(reply, hidden=hidden)
    )
    return _judged(reply, receipt)


def _judged(reply: Reply, receipt: Receipt) -> Receipt:
    if 200 <= reply.status < 300:  # noqa: PLR2004 - RFC 9110
        return receipt
    wish = delivery_policy.seconds_asked(reply.headers.get("retry-after", ""), now=timezone.now())
    if 300 <= reply.status < 400:  # noqa: PLR2004 - RFC 9110
        reason = (
            f"It answered {reply.status}, a redirect. Redirects are not followed:"
            " give the endpoint the address that answers itself."
        )
        raise DeliveryFailed(reason, retry_after=wish, receipt=receipt)
    if reply.status == _GONE:
        raise DeliveryFailed("It answered 410 Gone.", is_gone=True, receipt=receipt)
    raise DeliveryFailed(f"It answered {reply.status}.", retry_after=wish, receipt=receipt)


def _excerpt(reply: Reply, *, hidden: list[str]) -> str:
    text = reply.body[: 4 * _EXCERPT].decode("utf-8", "replace")
    for secret in hidden:
        text = text.replace(secret, "[hidden]").replace(
            secret.partition(",")[2] or secret, "[hidden]"
        )
    text = "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)
    return text[:_EXCERPT]
