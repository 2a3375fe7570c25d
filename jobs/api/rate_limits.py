"""An account's limits: each with its value, what is used of it, and when it resets; and their headers.

Headers follow draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` lists what holds, `RateLimit` says
what is left of it.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs.api.representation import stamp
from jobs.errors import NoRoom, QuotaExceeded
from notifications import prepared

_MINUTE: Final = 60
_DAY: Final = 86_400
# A changed plan shows in the policy header within this time, seconds.
_POLICY_KEPT: Final = 30.0
_MOST_KEPT: Final = 20_000

# What the submit statement counts: minutes by the time up to which submissions are used up (GCRA), days in UTC.
_READ: Final = """
select t.name, t.running_limit, t.queued_limit, t.submissions_per_minute, t.jobs_per_day,
    t.gpu_seconds_per_day, a.balance, a.held, a.live_count,
    (select count(*) from lease where lease.owner_id = a.owner_id) as running,
    coalesce(ceil(t.submissions_per_minute
        * greatest(0, extract(epoch from a.submitted_until - now())) / 60), 0)::int,
    extract(epoch from greatest(a.submitted_until, now()) - now())::float8,
    case when a.day >= today.date then a.day_jobs else 0 end,
    case when a.day >= today.date then a.day_gpu_seconds else 0 end,
    (today.date + 1)::timestamp at time zone 'UTC'
from account a join tier t on t.name = a.tier_id,
    (select (now() at time zone 'UTC')::date as date) today
where a.owner_id = %s
"""
_POLICY: Final = """
select t.running_limit, t.queued_limit, t.submissions_per_minute, t.jobs_per_day,
    t.gpu_seconds_per_day
from account a join tier t on t.name = a.tier_id where a.owner_id = %s
"""
_ROOM: Final = """
select t.queued_limit - a.live_count
    + (select count(*) from lease where lease.owner_id = a.owner_id)
from account a join tier t on t.name = a.tier_id where a.owner_id = %s
"""
# Name, unit, seconds of the window (None: what counts is what there is at the moment).
_KINDS: Final = (
    ("running", "jobs", None),
    ("queued", "jobs", None),
    ("submissions_per_minute", "jobs", _MINUTE),
    ("jobs_per_day", "jobs", _DAY),
    ("gpu_seconds_per_day", "gpu-seconds", _DAY),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit of a plan. `value` None: the plan has none of this kind."""

    name: str
    unit: str
    value: int | None
    used: float
    window_seconds: int | None
    resets_at: datetime | None

    def shown(self) -> dict[str, Any]:
        """Give it as the API shows it."""
        left = None if self.value is None else max(0, self.value - self.used)
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "used": self.used,
            "left": left,
            "window_seconds": self.window_seconds,
            "resets_at": stamp(self.resets_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A plan's name, its limits, and credits that can be spent or are held by live jobs."""

    tier: str
    limits: list[Limit]
    balance: int
    held: int


def standing(owner_id: UUID) -> Standing:
    """Read an account's limits as of now, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [owner_id])
        row = cursor.fetchone()
    values = row[1:6]
    balance, held, live, running, this_minute, minute_left, today, gpu_seconds, midnight = row[6:]
    used = (running, live - running, this_minute, today, round(gpu_seconds, 1))
    minute_ends = timezone.now() + timedelta(seconds=minute_left)
    resets = (None, None, minute_ends, midnight, midnight)
    limits = [
        Limit(
            name=name,
            unit=unit,
            value=value,
            used=count,
            window_seconds=window,
            resets_at=at.astimezone(UTC) if at else None,
        )
        for (name, unit, window), value, count, at in zip(_KINDS, values, used, resets, strict=True)
    ]
    return Standing(tier=row[0], limits=limits, balance=balance, held=held)


_policies: dict[UUID, tuple[float, str]] = {}


def policy(owner_id: UUID) -> str:
    """Give the `RateLimit-Policy` of an owner's plan, at most half a minute old; empty without limits."""
    known = _policies.get(owner_id)
    if known and known[0] > time.monotonic():
        return known[1]
    text = _policy(next(iter(prepared.run(_POLICY, [owner_id])), ()))
    if len(_policies) >= _MOST_KEPT:
        _policies.clear()
    _policies[owner_id] = time.monotonic() + _POLICY_KEPT, text
    return text


def forget() -> None:
    """Read every plan again at its next use."""
    _policies.clear()


def room(owner_id: UUID) -> str:
    """Give the `RateLimit` header after a submission: the places in line that are left."""
    with connection.cursor() as cursor:
        cursor.execute(_ROOM, [owner_id])
        (left,) = cursor.fetchone()
    return room_of(left)


def room_of(places_left: int | None) -> str:
    """Give the `RateLimit` header of so many places in line; empty where the plan has no such limit."""
    return "" if places_left is None else f'"queued";r={max(0, places_left)}'


def of_refusal(error: QuotaExceeded | NoRoom) -> tuple[dict[str, str], dict[str, Any]]:
    """Give a refusal's headers, and what its problem document says beside the sentence."""
    wait = error.retry_after_seconds
    fits_at = None if wait is None else timezone.now() + timedelta(seconds=wait)
    name = error.limit if isinstance(error, QuotaExceeded) else "line"
    headers = {"RateLimit": f'"{name}";r=0' + (f";t={wait}" if wait is not None else "")}
    told = {"limit": name, "value": error.value, "used": error.used, "fits_at": stamp(fits_at)}
    if isinstance(error, NoRoom):
        told["standby_offered"] = error.is_standby_offered
    return headers, told


def of_flood(wait: int) -> tuple[dict[str, str], dict[str, Any]]:
    """Give the headers of the flood shield's refusal, and what its problem document says beside the sentence."""
    value = settings.FLOOD_SUBMITS_PER_MINUTE
    told = {
        "limit": "flood",
        "value": value,
        "used": value,
        "fits_at": stamp(timezone.now() + timedelta(seconds=wait)),
    }
    return {"RateLimit": f'"flood";r=0;t={wait}'}, told


def _policy(values: Iterable[int | None]) -> str:
    return ", ".join(
        f'"{name}";q={value};qu="{unit}"' + (f";w={window}" if window else "")
        for (name, unit, window), value in zip(_KINDS, values, strict=False)
        if value is not None
    )


def shown(found: Standing) -> Mapping[str, Any]:
    """Give an account's limits and credits as the API shows them."""
    return {
        "tier": found.tier,
        "limits": [limit.shown() for limit in found.limits],
        "credits": {"balance": found.balance, "held": found.held},
    }
