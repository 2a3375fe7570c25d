"""What a summary tells: a line for each notice that it stands for, as they are when it is written."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string

from notifications import announcements, preferences
from notifications.models import Delivery
from notifications.plain_text import one_line

# More than anybody reads; the rest is counted, and in the notification centre.
_LINES: Final = 30


def context(subject_id: UUID, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give the lines of a summary, oldest first; None when nothing of it is wanted or there any more."""
    parts = list(Delivery.objects.filter(summary_id=subject_id).order_by("id")[:_LINES])
    said = preferences.of_owner(parts[0].owner_id) if parts else {}
    lines = [line for part in parts if (line := _line(part, said))]
    if not lines:
        return None
    count = int(payload.get("count", len(lines))) - (len(parts) - len(lines))
    return {
        "lines": lines,
        "count": count,
        "more": count - len(lines),
        "is_daily": bool(payload.get("daily")),
        "url": f"{settings.PUBLIC_URL}/notifications",
    }


def _line(part: Delivery, said: Mapping[tuple[str, str], bool]) -> Mapping[str, str] | None:
    announcement = announcements.of(part.name)
    if announcement is None:
        return None
    if not said.get((part.name, part.channel), part.channel in announcement.on_by_default):
        return None
    found = announcement.context(part.subject_id, part.payload)
    if found is None:
        return None
    words = render_to_string(f"notifications/{part.name}/subject.txt", dict(found))
    return {"words": one_line(words), "url": str(found.get("url", settings.PUBLIC_URL))}
