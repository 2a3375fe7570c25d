"""What people and programs are told of an event, as `subscriptions.py` says which code hears it."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from jobs import days
from jobs.models import Job
from jobs.web import cards
from notifications import webhook_endpoints
from notifications.announcements import Announcement
from notifications.event import Event
from notifications.plain_text import one_line
from videogen.accounts.models import User

_MAIL: Final = frozenset({"email"})
# What of a prompt a mail shows.
_LONGEST_PROMPT: Final = 300


def _job(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    row = Job.objects.filter(id=subject_id).values("owner_id", *cards.FIELDS).first()
    if row is None:
        return None
    zone = User.objects.filter(id=row["owner_id"]).values_list("time_zone", flat=True).first()
    card = cards.of(row, zone=days.zone(zone or "UTC"))
    return {
        "card": card,
        "prompt": one_line(card.prompt, limit=_LONGEST_PROMPT),
        "url": f"{settings.PUBLIC_URL}{card.url}",
    }


def _video(event: Event) -> Mapping[str, Any]:
    return {"id": f"video_{event.subject_id.hex}"}


def _endpoint(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "endpoint": one_line(str(payload.get("url", "")), limit=_LONGEST_PROMPT),
        "reason": payload.get("reason", ""),
        "endpoint_id": subject_id,
        "url": settings.PUBLIC_URL,
    }


ANNOUNCEMENTS = {
    "job.succeeded": Announcement(
        title="A video is ready",
        context=_job,
        on_by_default=_MAIL,
        webhook_type="video.completed",
        webhook_data=_video,
    ),
    "job.failed": Announcement(
        title="A video failed",
        context=_job,
        on_by_default=_MAIL,
        webhook_type="video.failed",
        webhook_data=_video,
    ),
    "job.expired": Announcement(
        title="A video waited too long",
        context=_job,
        on_by_default=_MAIL,
        webhook_type="video.failed",
        webhook_data=_video,
    ),
    webhook_endpoints.DISABLED: Announcement(
        title="A webhook endpoint was disabled", context=_endpoint, on_by_default=_MAIL
    ),
}
