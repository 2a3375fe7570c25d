"""The matrix of events and channels: what reaches somebody, what could, and why a channel cannot; and changing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from notifications import announcements, holds, preferences
from notifications.announcements import Announcement
from notifications.channels import registry
from notifications.errors import InvalidValues
from notifications.models import Wishes

# A day: beyond it no video could be told of.
LONGEST_WAIT: Final = 86_400
_CLOCK: Final = "Send a time as HH:MM, or null."


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A channel that people choose. `problem` says why it reaches nobody here; empty when it works."""

    name: str
    label: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Whether an event goes by a channel. A forced one cannot be changed."""

    channel: str
    label: str
    is_on: bool
    is_on_by_default: bool
    is_forced: bool
    is_available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An event."""

    name: str
    title: str
    hint: str
    # A summary tells what the app has already.
    is_in_app: bool
    cells: list[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All of it, with the defaults filled in, in three statements whatever its size."""

    columns: list[Column]
    rows: list[Row]
    wishes: Wishes


def of(owner_id: UUID) -> Matrix:
    """Give the matrix of a person."""
    columns = [
        Column(name=one.name, label=label(one.name), problem=one.problem())
        for one in registry.channels().values()
        if one.asks_preferences
    ]
    said = preferences.of_owner(owner_id)
    rows = [
        Row(
            name=name,
            title=found.title,
            hint=found.hint,
            is_in_app=not found.is_summary,
            cells=[_cell(name, found, column, said) for column in columns],
        )
        for name, found in announcements.table().items()
    ]
    return Matrix(columns=columns, rows=rows, wishes=preferences.wishes_of(owner_id))


def label(channel: str) -> str:
    """Give a channel's name as people read it."""
    return channel.replace("_", " ").capitalize()


def change(owner_id: UUID, data: Mapping[str, Any]) -> None:
    """Change the named cells and wishes and no others, all or nothing. Raises InvalidValues with a fault for each."""
    faults: dict[str, str] = {}
    cells = _wanted_cells(data.get("events", {}), faults)
    wishes = _wanted_wishes(data, faults)
    if faults:
        raise InvalidValues(faults)
    with transaction.atomic():
        for (name, channel), is_on in cells.items():
            default = channel in announcements.table()[name].on_by_default
            preferences.choose(owner_id, name, channel, is_on=is_on, default=default)
        if wishes:
            preferences.wish(owner_id, **wishes)
            _let_go(owner_id, wishes)


def _let_go(owner_id: UUID, wishes: Mapping[str, Any]) -> None:
    """Send what waits for a daily mail or for quiet hours that there are no more."""
    has_no_daily = "daily_mail_at" in wishes and wishes["daily_mail_at"] is None
    is_loud = False
    if "quiet_from" in wishes:
        is_loud = preferences.read(owner_id, "").silent_until(timezone.now()) is None
    if has_no_daily or is_loud:
        holds.let_go(owner_id, of_daily_mail=has_no_daily, of_quiet_hours=is_loud)


def _cell(
    name: str, found: Announcement, column: Column, said: Mapping[tuple[str, str], bool]
) -> Cell:
    is_default = column.name in found.on_by_default
    return Cell(
        channel=column.name,
        label=f"{found.title}, {column.label}",
        is_on=said.get((name, column.name), is_default) or (found.is_forced and is_default),
        is_on_by_default=is_default,
        is_forced=found.is_forced and is_default,
        is_available=not column.problem,
    )


def _wanted_cells(data: Any, faults: dict[str, str]) -> dict[tuple[str, str], bool]:
    if not isinstance(data, Mapping):
        faults["events"] = "Send an object of events, each an object of channels."
        return {}
    wanted: dict[tuple[str, str], bool] = {}
    for name, channels in data.items():
        if name not in announcements.table() or not isinstance(channels, Mapping):
            faults[f"events.{name}"[:64]] = f"Send one of: {', '.join(announcements.table())}."
            continue
        for channel, is_on in channels.items():
            if fault := _fault_of(name, channel, is_on):
                faults[f"events.{name}.{channel}"[:64]] = fault
            else:
                wanted[name, channel] = is_on
    return wanted


def _fault_of(name: str, channel: str, is_on: Any) -> str:
    known = [one.name for one in registry.channels().values() if one.asks_preferences]
    found = announcements.table()[name]
    if channel not in known:
        return f"Send one of: {', '.join(known)}."
    if not isinstance(is_on, bool):
        return "Send true or false."
    if found.is_forced and channel in found.on_by_default and not is_on:
        return "It is about the security of your account and cannot be turned off."
    return ""


def _wanted_wishes(data: Mapping[str, Any], faults: dict[str, str]) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    if "longer_than_seconds" in data:
        seconds = data["longer_than_seconds"]
        if type(seconds) is not int or not 0 <= seconds <= LONGEST_WAIT:
            faults["longer_than_seconds"] = f"Send a whole number from 0 to {LONGEST_WAIT}."
        wishes["longer_than_seconds"] = seconds
    if "quiet_hours" in data:
        wishes["quiet_from"], wishes["quiet_until"] = _hours(data["quiet_hours"], faults)
    if "daily_mail_at" in data:
        at = data["daily_mail_at"]
        wishes["daily_mail_at"] = None if at is None else _clock(at, "daily_mail_at", faults)
    return wishes


def _hours(data: Any, faults: dict[str, str]) -> tuple[time | None, time | None]:
    if data is None:
        return None, None
    if not isinstance(data, Mapping) or set(data) != {"from", "until"}:
        faults["quiet_hours"] = "Send an object with from and until, or null."
        return None, None
    begin = _clock(data["from"], "quiet_hours.from", faults)
    end = _clock(data["until"], "quiet_hours.until", faults)
    if begin is not None and begin == end:
        faults["quiet_hours"] = "Send an end that is not the beginning."
    return begin, end


def _clock(text: Any, field: str, faults: dict[str, str]) -> time | None:
    try:
        found = time.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or found.second or found.microsecond:
        faults[field] = _CLOCK
        return None
    return found
