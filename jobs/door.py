"""Pure: whether one more job may wait, and when a refused caller fits.

What waits in a line is bounded in GPU-seconds, not in jobs. Whoever is refused gets the next place in a
book and a ticket for it; callers without one do not overtake while the book is open, so that the time
named proves right. The numbers of a door are published by `scheduler/admission.py`; a submission reads them
by key, asks here, and writes the book and the ticket back.

Rows: door (line): `bound`, `drain`, `work`, `book`; ticket: account, `at`, `until`, deleted when used.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Shares of the bound: up to which ticketless callers are let in while others have tickets, in general,
# and with a ticket. The gaps keep small jobs from taking the place that a ticket was given for. The statement
# of submission decides as `knock` does.
WHILE_BOOKED: Final = 0.9
WITHOUT_TICKET: Final = 0.97
WITH_TICKET: Final = 1.0
# Places are given a little slower than the line drains.
_BOOKED_DRAIN: Final = 0.9
# A ticket is good for so long after its time.
_TICKET_LASTS: Final = 60.0
# Nobody can say what happens later than this.
FURTHEST: Final = 3600.0


class Why(StrEnum):
    """Why a caller is refused: by its own limit, by the line's bound, or because nothing runs."""

    OWN_QUEUE = "own_queue"
    TIER_FULL = "tier_full"
    NO_CAPACITY = "no_capacity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A line's door. `bound` is the GPU-seconds that may wait; None where nothing bounds them."""

    bound: float | None
    # GPU-seconds each second: the least of the last minutes, because borrowed slots go back.
    drain: float
    # GPU-seconds that wait.
    work: float
    # The moment up to which places are given; one in the past is a closed book.
    book: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A refused caller's place: good from `at` to `until`, once."""

    at: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What the caller's account has waiting already."""

    queued: int = 0
    limit: int | None = None
    # By when its waiting jobs will have started, soonest first.
    starts: tuple[float, ...] = ()
    # Tickets that it holds for places of its own.
    promised: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Let in; a ticket that was shown is used up."""

    uses_ticket: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Which limit, its value, how far it is used, and when it would fit (seconds; None: no time can be named)."""

    why: Why
    limit: float
    value: float
    retry_after: float | None
    ticket: Ticket | None
    # The book as it stands after this refusal.
    book: float
    is_standby_offered: bool


def knock(
    door: Door, own: Own, *, cost: float, now: float, ticket: Ticket | None = None, spread: float
) -> Admitted | Refused:
    """Let a job in, or refuse it. `spread`, 0 to 2 s of chance, keeps callers from returning at once."""
    shows = ticket is not None and ticket.at <= now <= ticket.until
    if own.limit is not None and own.queued >= own.limit + shows:
        return _own_queue(door, own, now=now, spread=spread)
    if door.bound is None:
        return Admitted(uses_ticket=shows)
    if door.drain <= 0:
        return _refused(Why.NO_CAPACITY, door, at=None, value=door.work, now=now, spread=spread)
    is_booked = door.book > now and not shows
    share = WITH_TICKET if shows else WHILE_BOOKED if is_booked else WITHOUT_TICKET
    # A job that nothing waits before delays nobody's start, however long it is.
    if door.work + cost <= share * door.bound or (door.work <= 0 and not is_booked):
        return Admitted(uses_ticket=shows)
    excess = max(0.0, door.work + cost - WHILE_BOOKED * door.bound)
    at = max(door.book, now + excess / door.drain)
    book = at + cost / (_BOOKED_DRAIN * door.drain)
    return _refused(Why.TIER_FULL, door, at=at, value=door.work, now=now, spread=spread, book=book)


def _own_queue(door: Door, own: Own, *, now: float, spread: float) -> Refused:
    at = None
    if own.promised < len(own.starts):
        at = max(now, own.starts[own.promised])
    return _refused(
        Why.OWN_QUEUE,
        door,
        at=at,
        value=own.queued,
        limit=own.limit,
        now=now,
        spread=spread,
    )


def _refused(
    why: Why,
    door: Door,
    *,
    at: float | None,
    value: float,
    now: float,
    spread: float,
    limit: float | None = None,
    book: float | None = None,
) -> Refused:
    can_tell = at is not None and at - now <= FURTHEST
    return Refused(
        why=why,
        limit=limit if limit is not None else door.bound or 0.0,
        value=value,
        retry_after=at - now + spread if at is not None and can_tell else None,
        ticket=Ticket(at=at, until=at + _TICKET_LASTS) if at is not None and can_tell else None,
        # A place that nobody was told of is given to the next one.
        book=book if book is not None and can_tell else door.book,
        is_standby_offered=why is not Why.OWN_QUEUE,
    )


def admits_standby(*, waiting: int, limit: int) -> bool:
    """Say whether standby takes one more: it promises nothing, so only its number is bounded."""
    return waiting < limit
