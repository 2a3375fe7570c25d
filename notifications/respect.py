"""Whether a notice may disturb its reader: by what happened when it is planned, by the moment when it is sent.

Decided when it is planned: their own doing, what they turned off, what was quick. Decided at each try: whether they
look at a page that shows it, their quiet hours, their daily mail. Webhooks disturb nobody and pass.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from notifications import announcements, preferences, presence, wish_policy
from notifications.announcements import Announcement
from notifications.channel import Channel, Held, Parcel, Skipped
from notifications.preferences import Said

OWN_DOING: Final = "You did it yourself."
TURNED_OFF: Final = "You turned it off."
LOOKING: Final = "You were looking at videogen."
# The only channel whose notices can wait for a whole day without losing their use.
_DAILY: Final = "email"


def why_not(
    announcement: Announcement, payload: Mapping[str, Any], said: Said, channel: str
) -> str:
    """Say why an event is not told by a channel; empty when it is. Pure."""
    if announcement.is_forced and channel in announcement.on_by_default:
        return ""
    if not said.wants(channel, announcement):
        return TURNED_OFF
    if payload.get("by") == "owner":
        return OWN_DOING
    took = payload.get("took")
    if announcement.is_an_end and took is not None and took < said.longer_than_seconds:
        return f"It took {took} s; you want to hear of what takes {said.longer_than_seconds} s or more."
    return ""


def check(channel: Channel, parcel: Parcel, *, now: datetime) -> None:
    """Let a try pass. Raises Skipped when its reader looks at it already, and Held while it must wait."""
    announcement = announcements.of(parcel.name)
    if not channel.asks_preferences or announcement is None or announcement.is_forced:
        return
    said = preferences.read(parcel.owner_id, parcel.name)
    if not said.wants(channel.name, announcement):
        raise Skipped(TURNED_OFF)
    if announcement.is_an_end and presence.is_looking(parcel.owner_id):
        raise Skipped(LOOKING)
    if said.daily_mail_at and channel.name == _DAILY and not announcement.is_summary:
        until = wish_policy.next_daily(now, at=said.daily_mail_at, zone=ZoneInfo(said.zone))
        raise Held(until, reason="It waits for your daily mail.", is_daily=True)
    end = said.silent_until(now)
    if end is not None:
        raise Held(end, reason="It waits for your quiet hours to end.", is_daily=False)
