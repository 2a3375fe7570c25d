"""What people and programs are told of an event, as `subscriptions.py` says which code hears it."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from jobs import days, events, ledger
from jobs.models import Job
from jobs.web import cards
from notifications import announcements, prepared, summaries, webhook_endpoints
from notifications.announcements import Announcement
from notifications.event import Event
from notifications.plain_text import one_line
from videogen.accounts import keys
from videogen.accounts.models import User

_MAIL: Final = frozenset({"email"})
# Pushes reach only browsers and phones that somebody turned them on for.
_EVERYWHERE: Final = frozenset({"email", "web_push", "mobile_push"})
# What of a prompt a mail shows.
_LONGEST_PROMPT: Final = 300
_SHORT_PROMPT: Final = 100
# What a mail says of a job, by its owner's clock. Read for each.
_JOINED: Final = {"lease__percent": "lease.percent"}
_JOB: Final = f"""
select person.time_zone, {", ".join(_JOINED.get(name) or f"job.{name}" for name in cards.FIELDS)}
from job left join account_user person on person.id = job.owner_id
left join lease on lease.job_id = job.id
where job.id = %s and job.hidden_at is null
"""


def _job(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rows = prepared.run(_JOB, [subject_id])
    if not rows:
        return None
    zone, *values = rows[0]
    row = dict(zip(cards.FIELDS, values, strict=True))
    card = cards.of(row, zone=days.zone(zone or "UTC"))
    return {
        "card": card,
        "why": one_line(row["error_message"], limit=_LONGEST_PROMPT),
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
        "url": f"{settings.PUBLIC_URL}{reverse('webhook', args=[subject_id])}",
    }


def _batch(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rows = list(Job.objects.filter(batch_id=subject_id).values("owner_id", *cards.FIELDS))
    if not rows:
        return None
    zone = days.zone(_zone_of(rows[0]["owner_id"]))
    ended = [cards.of(row, zone=zone) for row in sorted(rows, key=lambda row: str(row["id"]))]
    counts = {
        "failed": payload["failed"],
        "expired": payload["expired"],
        "cancelled": payload["canceled"],
    }
    words = [f"{payload['ready']} of {payload['size']} ready"]
    words += [f"{count} {word}" for word, count in counts.items() if count]
    return {
        "words": ", ".join(words),
        "prompt": one_line(ended[0].prompt, limit=_LONGEST_PROMPT),
        "jobs": [
            {
                "card": card,
                "prompt": one_line(card.prompt, limit=_SHORT_PROMPT),
                "url": f"{settings.PUBLIC_URL}{card.url}",
            }
            for card in sorted(ended, key=lambda card: card.look == "ready")
        ],
        "url": f"{settings.PUBLIC_URL}{ended[0].batch_url}",
    }


def _zone_of(owner_id: UUID) -> str:
    return User.objects.filter(id=owner_id).values_list("time_zone", flat=True).first() or "UTC"


def _credits(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "credits": f"{int(payload.get('credits', 0)):,}",
        "reason": one_line(str(payload.get("reason", "")), limit=_LONGEST_PROMPT),
        "url": f"{settings.PUBLIC_URL}/usage",
    }


def _key(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "name": one_line(str(payload.get("name", "")), limit=_SHORT_PROMPT),
        "prefix": payload.get("prefix", ""),
        "scopes": ", ".join(payload.get("scopes", ())),
        "url": f"{settings.PUBLIC_URL}/account/keys",
    }


ANNOUNCEMENTS = {
    "job.succeeded": Announcement(
        title="A video is ready",
        hint="With a link to watch it.",
        context=_job,
        on_by_default=_EVERYWHERE,
        is_an_end=True,
        told_by=events.BATCH_ENDED,
        webhook_type="video.completed",
        webhook_data=_video,
    ),
    "job.failed": Announcement(
        title="A video failed",
        hint="With the reason, and what it cost.",
        context=_job,
        on_by_default=_EVERYWHERE,
        is_an_end=True,
        told_by=events.BATCH_ENDED,
        webhook_type="video.failed",
        webhook_data=_video,
    ),
    "job.expired": Announcement(
        title="A video waited too long",
        hint="We ended it; it costs nothing.",
        context=_job,
        on_by_default=_EVERYWHERE,
        is_an_end=True,
        told_by=events.BATCH_ENDED,
        webhook_type="video.failed",
        webhook_data=_video,
    ),
    "job.canceled": Announcement(
        title="A video was cancelled",
        hint="Never when you did it yourself.",
        context=_job,
        on_by_default=_EVERYWHERE,
        is_an_end=True,
        told_by=events.BATCH_ENDED,
        webhook_type="video.failed",
        webhook_data=_video,
    ),
    events.BATCH_ENDED: Announcement(
        title="A batch has ended",
        hint="One notice for all its videos.",
        context=_batch,
        on_by_default=_EVERYWHERE,
        is_an_end=True,
    ),
    ledger.GIVEN: Announcement(
        title="You were given credits",
        hint="Not the monthly ones of your plan.",
        context=_credits,
        on_by_default=_MAIL,
    ),
    webhook_endpoints.DISABLED: Announcement(
        title="A webhook endpoint was disabled",
        hint="It was gone, or took nothing for three days.",
        context=_endpoint,
        on_by_default=_EVERYWHERE,
    ),
    announcements.SUMMARY: Announcement(
        title="Several in one",
        hint="Your daily mail, and what waited for quiet hours to end.",
        context=summaries.context,
        on_by_default=_EVERYWHERE,
        is_summary=True,
    ),
    keys.CREATED: Announcement(
        title="A new API key",
        hint="About the security of your account: always told.",
        context=_key,
        on_by_default=_MAIL,
        is_forced=True,
    ),
}
