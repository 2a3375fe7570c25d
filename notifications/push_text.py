"""What a push says: a line for the eye, where it leads, and how it takes the place of an older one.

Browsers get the words sealed for them. Phones get theirs by way of Google and Apple, so a prompt is not among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.template.loader import render_to_string

from notifications import announcements, preferences
from notifications.channel import Parcel, Skipped
from notifications.plain_text import one_line

_LONGEST_LINE: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A push about one subject. Newer ones about the same `tag` replace it where it is shown."""

    title: str
    line: str
    url: str
    tag: str


def of(parcel: Parcel) -> Words:
    """Read the person and the subject. Raises Skipped where there is nobody or nothing to tell."""
    announcement = announcements.of(parcel.name)
    if announcement is None:
        raise Skipped("This is not announced any more.")
    if not get_user_model().objects.filter(pk=parcel.owner_id, is_active=True).exists():
        raise Skipped("The account is closed.")
    is_default = parcel.channel in announcement.on_by_default
    if not preferences.is_on(parcel.owner_id, parcel.name, parcel.channel, default=is_default):
        raise Skipped("You turned it off.")
    found = announcement.context(parcel.subject_id, parcel.payload)
    if found is None:
        raise Skipped("What it was about is gone.")
    return Words(
        title=announcement.title,
        line=_line(parcel.name, found),
        url=str(found.get("url", settings.PUBLIC_URL)),
        tag=tag(parcel.subject_id),
    )


def tag(subject_id: UUID) -> str:
    """Name what pushes are about, for whoever shows them: 32 characters that every service takes."""
    return subject_id.hex


def _line(name: str, found: Mapping[str, Any]) -> str:
    """Give the subject of the mail: each announcement has one."""
    return one_line(
        render_to_string(f"notifications/{name}/subject.txt", dict(found)), limit=_LONGEST_LINE
    )
