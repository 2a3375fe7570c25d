"""Why a request was not taken: which limit, how far it is used, when it fits, and a place kept until then.

The account's own limits come first and write nothing; at the door, and where the owner's places in line are
taken, the caller gets the next place and a ticket for it, under the locks of its account and of the door.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from jobs import door, gates, outlooks, places
from jobs.door import Admitted, Door, Own, Refused, Ticket, Why
from jobs.errors import JobError, NoRoom, QuotaExceeded
from jobs.metrics import SUBMISSIONS
from jobs.requests import STANDBY, VideoRequest

# A minute's submissions may come at once.
_MINUTE: Final = 60.0
# Callers are told times up to so many seconds apart, so that they do not all return at once.
_SPREAD: Final = 2.0
# An account holds at most so many places of a line; further refusals are told the last one's time.
_MOST_TICKETS: Final = 50

_STANDING: Final = f"""
select line.id, line.tier_id, a.balance, plan.submissions_per_minute,
    extract(epoch from a.submitted_until - clock_timestamp())::float8,
    plan.jobs_per_day, case when a.day >= day.today then a.day_jobs else 0 end,
    plan.gpu_seconds_per_day, case when a.day >= day.today then a.day_gpu_seconds else 0 end,
    extract(epoch from ((day.today + 1)::timestamp at time zone 'UTC') - clock_timestamp())::float8,
    case when %(standby)s then {places.STANDBY_LIMIT} else plan.queued_limit end,
    case when %(standby)s then {places.WAITING_ON_STANDBY}
        else a.live_count - {places.NOT_IN_LINE} end
from account a
join tier plan on plan.name = a.tier_id
join line on line.kind = %(kind)s
    and line.tier_id = case when %(standby)s then '{STANDBY}' else a.tier_id end
cross join (select (statement_timestamp() at time zone 'UTC')::date as today) day
where a.owner_id = %(owner)s
"""
_LOCK_ACCOUNT: Final = "select 1 from account where owner_id = %s for no key update"
_LOCK_DOOR: Final = "select 1 from door where line_id = %s for no key update"
# After the lock, so that what was taken back from gates is seen once.
_DOOR: Final = f"""
select bound, drain, work + added + {gates.ADDED}, book, clock_timestamp() from door where line_id = %s
"""
_NOW: Final = "select clock_timestamp()"
_TICKETS: Final = """
select id, valid_from, valid_until, fingerprint = %(fingerprint)s, why from ticket
where owner_id = %(owner)s and line_id = %(line)s and job_id is null and valid_until >= %(now)s
order by valid_from
"""
_GIVE_TICKET: Final = """
insert into ticket (owner_id, line_id, why, fingerprint, valid_from, valid_until)
values (%(owner)s, %(line)s, %(why)s, %(fingerprint)s, %(from)s, %(until)s)
"""
_MOVE_TICKET: Final = """
update ticket set why = %(why)s, valid_from = %(from)s, valid_until = %(until)s where id = %(id)s
"""
_WRITE_BOOK: Final = "update door set book = %s where line_id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What an account has used of its limits; None is no limit."""

    line_id: int
    tier: str
    balance: int
    per_minute: int | None
    # Seconds ahead that submissions are used up.
    minute_used: float
    per_day: int | None
    day_jobs: int
    gpu_seconds: int | None
    day_gpu_seconds: float
    # Seconds until the next day begins.
    day_left: float
    queued_limit: int | None
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """An open ticket of the caller's."""

    id: int
    ticket: Ticket
    is_of_request: bool
    why: str


def refuse(request: VideoRequest, *, owner_id: UUID) -> JobError | None:
    """Say why a request does not fit, and keep a place for it where there is one; None if it fits now."""
    with transaction.atomic():
        _one(_LOCK_ACCOUNT, [owner_id])
        standing = _standing(request, owner_id=owner_id)
        if standing is None:
            raise AssertionError(f"There is no line of {request.kind!r} for account {owner_id}.")
        found = of_account(request, standing) or _at_the_door(
            request, standing, owner_id=owner_id, keeps_place=True
        )
    if found is not None:
        outcome = found.limit if isinstance(found, QuotaExceeded) else found.code
        SUBMISSIONS.labels(tier=standing.tier, outcome=outcome).inc()
    return found


def foresee(request: VideoRequest, *, owner_id: UUID) -> JobError | None:
    """Say what a submission would be refused for now, if for anything. Writes nothing."""
    standing = _standing(request, owner_id=owner_id)
    if standing is None:
        return None
    return of_account(request, standing) or _at_the_door(
        request, standing, owner_id=owner_id, keeps_place=False
    )


def at_this_moment() -> QuotaExceeded:
    """Refuse a caller for whom there was room whenever it was looked for, and none when it was taken."""
    return QuotaExceeded(
        limit="moment",
        value=0,
        message="There was no room a moment ago. Send it again.",
        retry_after_seconds=1,
    )


def of_account(request: VideoRequest, standing: _Standing) -> QuotaExceeded | None:
    """Give the first of the account's own limits that a request does not fit in; those on waiting apart."""
    if standing.balance < request.credits:
        return QuotaExceeded(
            limit="credits",
            value=standing.balance,
            message=f"This video costs {request.credits:,} credits and {standing.balance:,} are left.",
        )
    if standing.per_minute is not None:
        wait = standing.minute_used + _MINUTE / max(standing.per_minute, 1) - _MINUTE
        if wait > 0 or standing.per_minute == 0:
            return QuotaExceeded(
                limit="submissions_per_minute",
                value=standing.per_minute,
                used=standing.per_minute,
                message=f"Your plan takes {standing.per_minute:,} videos a minute."
                f" The next one fits in {math.ceil(wait):,} s.",
                retry_after_seconds=max(1, math.ceil(wait)),
            )
    return _of_day(request, standing)


def _of_day(request: VideoRequest, standing: _Standing) -> QuotaExceeded | None:
    tomorrow = max(1, math.ceil(standing.day_left))
    if standing.per_day is not None and standing.day_jobs >= standing.per_day:
        return QuotaExceeded(
            limit="jobs_per_day",
            value=standing.per_day,
            used=standing.day_jobs,
            message=f"Your plan takes {standing.per_day:,} videos a day, and"
            f" {standing.day_jobs:,} were sent. The next day begins at 00:00 UTC.",
            retry_after_seconds=tomorrow,
        )
    used = standing.day_gpu_seconds
    if standing.gpu_seconds is not None and used + request.estimate > standing.gpu_seconds:
        return QuotaExceeded(
            limit="gpu_seconds_per_day",
            value=standing.gpu_seconds,
            used=round(used, 1),
            message=f"Your plan has {standing.gpu_seconds:,} GPU-seconds a day;"
            f" {math.ceil(used):,} are used and this video needs about"
            f" {math.ceil(request.estimate):,}. The next day begins at 00:00 UTC.",
            retry_after_seconds=tomorrow,
        )
    return None


def _at_the_door(
    request: VideoRequest, standing: _Standing, *, owner_id: UUID, keeps_place: bool
) -> JobError | None:
    there, now = _door(standing.line_id, is_locked=keeps_place)
    held = _tickets(request, standing, owner_id=owner_id, now=now)
    shown = next((each for each in held if each.ticket.at <= now.timestamp()), None)
    answer = door.knock(
        there,
        _own(standing, held, owner_id=owner_id),
        cost=1.0 if request.standby else request.estimate,
        now=now.timestamp(),
        ticket=shown.ticket if shown else None,
        spread=random.uniform(0, _SPREAD),  # noqa: S311 - spreads returns, guards nothing
    )
    if isinstance(answer, Admitted):
        return None
    mine = next((each for each in held if each.is_of_request), None)
    known = mine or (held[-1] if len(held) >= _MOST_TICKETS else None)
    if known is not None and known.ticket.at > now.timestamp():
        # It has a place already, and comes before its time.
        return _told(answer, standing, wait=known.ticket.at - now.timestamp())
    if keeps_place and answer.ticket is not None:
        _keep(answer, answer.ticket, request, standing, owner_id=owner_id, instead_of=mine)
    return _told(answer, standing, wait=answer.retry_after)


def _own(standing: _Standing, held: Sequence[_Held], *, owner_id: UUID) -> Own:
    is_full = standing.queued_limit is not None and standing.queued >= standing.queued_limit
    return Own(
        queued=standing.queued,
        limit=standing.queued_limit,
        starts=outlooks.latest_starts(owner_id, line_id=standing.line_id) if is_full else (),
        promised=sum(each.why == Why.OWN_QUEUE for each in held),
    )


def _keep(
    answer: Refused,
    ticket: Ticket,
    request: VideoRequest,
    standing: _Standing,
    *,
    owner_id: UUID,
    instead_of: _Held | None,
) -> None:
    values: dict[str, Any] = {
        "owner": owner_id,
        "line": standing.line_id,
        "why": answer.why.value,
        "fingerprint": request.fingerprint(),
        "from": _moment(ticket.at),
        "until": _moment(ticket.until),
        "id": instead_of.id if instead_of else None,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_TICKET if instead_of else _GIVE_TICKET, values)
        if answer.why is Why.TIER_FULL:
            cursor.execute(_WRITE_BOOK, [_moment(answer.book), standing.line_id])


def _told(answer: Refused, standing: _Standing, *, wait: float | None) -> JobError:
    seconds = None if wait is None else max(1, math.ceil(wait))
    if answer.why is Why.OWN_QUEUE:
        when = "when a video of yours starts" if seconds is None else f"in {_about(seconds)}"
        return QuotaExceeded(
            limit="queued",
            value=standing.queued_limit or 0,
            used=standing.queued,
            message=f"Your {standing.queued_limit or 0:,} places in line are taken. One frees {when}.",
            retry_after_seconds=seconds,
        )
    # Who was refused standby is not offered it again.
    offers = answer.is_standby_offered and standing.tier != STANDBY
    return NoRoom(
        why=answer.why.value,
        value=round(answer.limit, 1),
        used=round(answer.value, 1),
        message=_sentence(answer.why, seconds) + (_STANDBY_OFFER if offers else ""),
        retry_after_seconds=seconds,
        is_standby_offered=offers,
    )


_STANDBY_OFFER: Final = " Or send it on standby: it runs when nobody else waits."


def _sentence(why: Why, seconds: int | None) -> str:
    if why is Why.NO_CAPACITY:
        return "No GPU that could make it takes work at the moment. Nothing is charged."
    if seconds is None:
        return "The line is full, and nobody can say when there is room. Try again in an hour."
    return f"The line is full. A place is kept for you: send it again in {_about(seconds)}."


def _about(seconds: int) -> str:
    if seconds <= _MINUTE:
        return f"about {seconds} s"
    return f"about {math.ceil(seconds / _MINUTE)} min"


def _standing(request: VideoRequest, *, owner_id: UUID) -> _Standing | None:
    row = _one(_STANDING, {"owner": owner_id, "kind": request.kind, "standby": request.standby})
    if row is None:
        return None
    names = _Standing.__dataclass_fields__
    return _Standing(**dict(zip(names, row, strict=True)))


def _door(line_id: int, *, is_locked: bool) -> tuple[Door, datetime]:
    if is_locked:
        _one(_LOCK_DOOR, [line_id])
    row = _one(_DOOR, [line_id])
    if row is None:
        return Door(bound=None, drain=0.0, work=0.0), _one(_NOW, [])[0]
    bound, drain, work, book, now = row
    return Door(bound=bound, drain=drain, work=work, book=book.timestamp()), now


def _tickets(
    request: VideoRequest, standing: _Standing, *, owner_id: UUID, now: datetime
) -> list[_Held]:
    values: dict[str, Any] = {
        "owner": owner_id,
        "line": standing.line_id,
        "fingerprint": request.fingerprint(),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TICKETS, values)
        return [
            _Held(
                id=number,
                ticket=Ticket(at=start.timestamp(), until=end.timestamp()),
                is_of_request=is_mine,
                why=why,
            )
            for number, start, end, is_mine, why in cursor.fetchall()
        ]


def _one(statement: str, values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
