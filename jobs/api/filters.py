"""Which jobs a caller asks for: query parameters in, a checked question out."""

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import QueryDict

from jobs import days
from jobs.api import representation
from jobs.requests import InvalidFields
from jobs.states import LIVE, TERMINAL, JobState

DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 100
TEXT_LIMIT: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# A cursor's bytes: microseconds, id.
_CURSOR: Final = ">q16s"
_GROUPS: Final = {"live": LIVE, "ended": TERMINAL}
PARAMETERS: Final = frozenset(
    {"day", "tz", "status", "model", "text", "batch", "limit", "cursor", "fields"}
)


class Shape(NamedTuple):
    """What a statement depends on; the values are its parameters."""

    has_day: bool
    has_batch: bool
    is_live: bool
    has_states: bool
    has_model: bool
    has_text: bool
    has_cursor: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One page of an owner's jobs. Without a day, all of them; without states, in any."""

    zone: ZoneInfo
    day: date | None
    states: frozenset[JobState] | None = None
    model: str | None = None
    text: str | None = None
    batch_id: UUID | None = None
    limit: int = DEFAULT_LIMIT
    cursor: tuple[datetime, UUID] | None = None
    fields: tuple[str, ...] | None = None

    @property
    def shape(self) -> Shape:
        """Give what decides the statement."""
        is_live = self.states is not None and self.states <= LIVE
        return Shape(
            has_day=self.day is not None,
            has_batch=self.batch_id is not None,
            is_live=is_live,
            has_states=self.states is not None and self.states != LIVE,
            has_model=self.model is not None,
            has_text=self.text is not None,
            has_cursor=self.cursor is not None,
        )

    @property
    def is_narrow(self) -> bool:
        """Tell whether rows are looked at that the page does not show."""
        shape = self.shape
        return shape.has_states or shape.has_model or shape.has_text

    def parameters(self, owner_id: UUID, *, window: int) -> dict[str, Any]:
        """Give the values of a statement."""
        start, end = days.bounds(self.day, zone=self.zone) if self.day else (None, None)
        at, job_id = self.cursor or (None, None)
        return {
            "owner": owner_id,
            "start": start,
            "end": end,
            "states": sorted(self.states or ()),
            "model": self.model,
            "text": self.text,
            "batch": self.batch_id,
            "cursor_at": at,
            "cursor_id": job_id,
            "rows": self.limit + 1,
            "window": window,
        }


def read(query: QueryDict, *, zone: ZoneInfo, day: str = "today") -> Filter:
    """Read query parameters; `day` is used where none is named. Raises InvalidFields with all faults."""
    faults = {
        name[:64]: "This parameter is not known. Remove it."
        for name in query
        if name not in PARAMETERS
    }
    values: dict[str, str] = {
        name: str(value) for name, value in query.items() if value != "" and name in PARAMETERS
    }

    def checked(name: str, check: Any, *more: Any, default: Any = None) -> Any:
        if name not in values:
            return default
        try:
            return check(values[name], *more)
        except InvalidFields as invalid:
            faults.update(invalid.faults)
            return default

    zone = checked("tz", days.zone, default=zone)
    batch_id = checked("batch", _batch)
    named = values.get("day", "all" if batch_id else day)
    found = Filter(
        zone=zone,
        day=None if named == "all" else _day(named, zone, faults),
        states=checked("status", _states),
        model=checked("model", _text, "model", 64),
        text=checked("text", _text, "text", TEXT_LIMIT),
        batch_id=batch_id,
        limit=checked("limit", limit_of, default=DEFAULT_LIMIT),
        cursor=checked("cursor", cursor_of),
        fields=checked("fields", fields_of),
    )
    if faults:
        raise InvalidFields(faults)
    return found


def _day(named: str, zone: ZoneInfo, faults: dict[str, str]) -> date | None:
    try:
        found = days.day(named, zone=zone)
        days.bounds(found, zone=zone)
    except InvalidFields as invalid:
        faults.update(invalid.faults)
        return None
    return found


def _states(value: str) -> frozenset[JobState]:
    found: set[JobState] = set()
    for name in value.split(","):
        if name in _GROUPS:
            found |= _GROUPS[name]
        elif name in JobState.values:
            found.add(JobState(name))
        else:
            known = ", ".join([*JobState.values, *_GROUPS])
            raise InvalidFields({"status": f"Send one or several, with commas, of: {known}."})
    return frozenset(found)


def _text(value: str, name: str, longest: int) -> str:
    if len(value) > longest or "\x00" in value:
        raise InvalidFields({name: f"Send at most {longest} characters, without NUL."})
    return value


def _batch(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidFields({"batch": "Send the id of a batch."}) from None


def limit_of(value: str) -> int:
    """Read a page's size. Raises InvalidFields."""
    if value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= LARGEST_LIMIT:
        return int(value)
    raise InvalidFields({"limit": f"Send a whole number from 1 to {LARGEST_LIMIT}."})


def fields_of(value: str) -> tuple[str, ...]:
    """Read the names of the fields to answer. Raises InvalidFields."""
    names = tuple(dict.fromkeys(value.split(",")))
    unknown = [name for name in names if name not in representation.NAMES]
    if unknown:
        raise InvalidFields({"fields": f"There is no field {unknown[0][:64]!r} of a job."})
    return names


def cursor_of(value: str) -> tuple[datetime, UUID]:
    """Read a cursor as a `next` link carried it. Raises InvalidFields."""
    try:
        raw = base64.b64decode(value.encode("ascii"), altchars=b"-_", validate=True)
        microseconds, number = struct.unpack(_CURSOR, raw)
        moment = _EPOCH + microseconds * _MICROSECOND
    except (ValueError, struct.error, OverflowError):
        raise InvalidFields({"cursor": "Use the cursor of a `next` link unchanged."}) from None
    return moment, UUID(bytes=number)


def cursor_text(at: datetime, job_id: UUID) -> str:
    """Write a cursor. It stays right however many rows come before it later."""
    raw = struct.pack(_CURSOR, (at - _EPOCH) // _MICROSECOND, job_id.bytes)
    return base64.urlsafe_b64encode(raw).decode()


def only(shown: Mapping[str, Any], fields: tuple[str, ...] | None) -> dict[str, Any]:
    """Keep the fields that were asked for."""
    return dict(shown) if fields is None else {name: shown[name] for name in fields}
