"""What a person wants to hear of, by which channel, and when. Rows are their word; without one the default holds.

What is told is read in one statement, whatever the number of events and channels. Only what differs from the default
is stored, so a better default reaches everybody who never said otherwise.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth import get_user_model
from django.db import connection

from notifications import prepared, wish_policy
from notifications.announcements import Announcement
from notifications.models import Preference, Wishes

_READ: Final = """
select person.id, asked.name, person.time_zone, wishes.longer_than_seconds, wishes.quiet_from,
    wishes.quiet_until, wishes.daily_mail_at,
    (select jsonb_object_agg(channel, is_on) from notification_preference said
        where said.owner_id = person.id and said.name = asked.name)
from unnest(%(owners)s::uuid[], %(names)s::text[]) as asked (owner_id, name)
join {person} person on person.id = asked.owner_id
left join notification_wishes wishes on wishes.owner_id = person.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody said about one event, and how they want to be told of anything."""

    zone: str = "UTC"
    longer_than_seconds: int = 0
    quiet_from: time | None = None
    quiet_until: time | None = None
    daily_mail_at: time | None = None
    by_channel: Mapping[str, bool] = field(default_factory=dict)

    def wants(self, channel: str, announcement: Announcement) -> bool:
        """Say whether the event reaches them by a channel."""
        is_default = channel in announcement.on_by_default
        if announcement.is_forced and is_default:
            return True
        return self.by_channel.get(channel, is_default)

    def silent_until(self, now: datetime) -> datetime | None:
        """Give the end of the quiet hours that `now` lies in; None outside of them."""
        if self.quiet_from is None or self.quiet_until is None:
            return None
        zone = ZoneInfo(self.zone)
        return wish_policy.quiet_until(now, begin=self.quiet_from, end=self.quiet_until, zone=zone)

    def was_asked(self, channel: str, announcement: Announcement) -> bool:
        """Say whether they may expect it by a channel: it is on by default, or they chose."""
        return channel in announcement.on_by_default or channel in self.by_channel


def read(owner_id: UUID, name: str) -> Said:
    """Read what the owner said about an event; the defaults for somebody who is gone."""
    return read_each([(owner_id, name)])[owner_id, name]


def read_each(asked: Collection[tuple[UUID, str]]) -> Mapping[tuple[UUID, str], Said]:
    """Read what owners said about events, each by its owner and name, in one statement."""
    values = {"owners": [owner for owner, _ in asked], "names": [name for _, name in asked]}
    rows = prepared.run(_statement(), values)
    return dict.fromkeys(asked, Said()) | {(row[0], row[1]): _said(row[2:]) for row in rows}


@cache
def _statement() -> str:
    return _READ.format(person=connection.ops.quote_name(get_user_model()._meta.db_table))


def is_on(owner_id: UUID, name: str, channel: str, *, default: bool) -> bool:
    """Say whether an event reaches its owner by a channel."""
    found = (
        Preference.objects.filter(owner_id=owner_id, name=name, channel=channel)
        .values_list("is_on", flat=True)
        .first()
    )
    return default if found is None else found


def of_owner(owner_id: UUID) -> Mapping[tuple[str, str], bool]:
    """Give all that differs from the defaults, by event and channel."""
    rows = Preference.objects.filter(owner_id=owner_id)
    return {
        (name, channel): on for name, channel, on in rows.values_list("name", "channel", "is_on")
    }


def choose(owner_id: UUID, name: str, channel: str, *, is_on: bool, default: bool = True) -> None:
    """Write down what a person wants; the same again changes nothing, and the default leaves no row."""
    if is_on == default:
        Preference.objects.filter(owner_id=owner_id, name=name, channel=channel).delete()
        return
    Preference.objects.bulk_create(
        [Preference(owner_id=owner_id, name=name, channel=channel, is_on=is_on)],
        update_conflicts=True,
        unique_fields=["owner_id", "name", "channel"],
        update_fields=["is_on"],
    )


def wishes_of(owner_id: UUID) -> Wishes:
    """Give how a person wants to be told; an unsaved row with the defaults for who never said."""
    return Wishes.objects.filter(owner_id=owner_id).first() or Wishes(owner_id=owner_id)


def wish(owner_id: UUID, **wishes: Any) -> None:
    """Write down how a person wants to be told: the named wishes, and no others."""
    Wishes.objects.update_or_create(owner_id=owner_id, defaults=wishes)


def _said(row: tuple[Any, ...]) -> Said:
    zone, longer_than, quiet_from, quiet_until, daily_mail_at, said = row
    return Said(
        zone=zone,
        longer_than_seconds=longer_than or 0,
        quiet_from=quiet_from,
        quiet_until=quiet_until,
        daily_mail_at=daily_mail_at,
        by_channel=(json.loads(said) if isinstance(said, str) else said) or {},
    )
