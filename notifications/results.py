"""What became of a try, written down once: the delivery, its log, and how its route does."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from notifications import crash_points, delivery_policy, prepared, routes
from notifications.channel import Channel, Parcel, Receipt

_ENDED: Final = """
update delivery set state = %(state)s, reason = %(reason)s, due_at = null, claimed_until = null,
    ended_at = now()
where id = %(id)s and attempt = %(attempt)s and state <> 'delivered'
"""
_HOLD: Final = """
update delivery set state = 'held', due_at = %(until)s, is_daily = %(daily)s, reason = %(reason)s,
    claimed_until = null, try_count = try_count - 1
where id = %(id)s and attempt = %(attempt)s and state = 'scheduled'
"""
_RETRY: Final = """
update delivery set due_at = now() + make_interval(secs => %(delay)s), claimed_until = null
where id = %(id)s and attempt = %(attempt)s and state = 'scheduled'
"""
_LOG: Final = """
insert into delivery_attempt (delivery_id, number, outcome, reason, status_code, request, answer,
    started_at, took_ms)
select id, %(attempt)s,
    case when attempt = %(attempt)s then %(outcome)s else 'overtaken' end,
    %(reason)s, %(status)s::int, %(request)s::jsonb, %(answer)s, %(started)s, %(took)s
from delivery where id = %(id)s
on conflict (delivery_id, number) do nothing
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try: delivered, failed for now or for good, skipped, or held until later."""

    kind: str
    reason: str = ""
    # A failure that ends the delivery, and one that ends its target.
    is_final: bool = False
    is_gone: bool = False
    # Whether nothing at all may go to its target while the wish lasts.
    wants_quiet: bool = False
    # Seconds that the other side asked for.
    wish: float | None = None
    # When a held one goes on, and whether with the daily mail.
    until: datetime | None = None
    is_daily: bool = False
    receipt: Receipt
    started_at: datetime
    took_ms: int


def record(channel: Channel, parcel: Parcel, outcome: Outcome, *, jitter: float) -> None:
    """Write down what became of a try, once; a try that a later one overtook changes nothing but the log."""
    delay = None
    if outcome.kind == "failed" and not outcome.is_final:
        delay = delivery_policy.next_delay(
            channel.delays, tries=parcel.try_count, jitter=jitter, wish=outcome.wish
        )
    with transaction.atomic(durable=True):
        if outcome.kind == "failed" and delay is None:
            channel.given_up(parcel, outcome.reason, is_gone=outcome.is_gone)
        failures = routes.lock(parcel.channel, parcel.target)
        _write(parcel, outcome, delay)
        if outcome.kind not in {"skipped", "held"}:
            routes.judge(
                parcel.channel,
                parcel.target,
                is_success=outcome.kind == "delivered",
                failures=failures,
                jitter=jitter,
                quiet=(outcome.wish or 0.0) if outcome.wants_quiet else 0.0,
            )
        # No limit here: a place has just become free.
        routes.set_turns(parcel.channel, [parcel.target], [2**30])
        crash_points.reach("courier.recorded_uncommitted")
    crash_points.reach("courier.recorded")


def _write(parcel: Parcel, outcome: Outcome, delay: float | None) -> None:
    values = {"id": parcel.id, "attempt": parcel.attempt}
    if outcome.until is not None:
        held = {"until": outcome.until, "daily": outcome.is_daily, "reason": outcome.reason}
        prepared.run(_HOLD, {**values, **held})
    elif delay is not None:
        prepared.run(_RETRY, {**values, "delay": delay})
    else:
        state = {"delivered": "delivered", "skipped": "skipped"}.get(outcome.kind, "abandoned")
        reason = "" if state == "delivered" else outcome.reason[:300]
        prepared.run(_ENDED, {**values, "state": state, "reason": reason})
    prepared.run(
        _LOG,
        {
            **values,
            "outcome": outcome.kind,
            "reason": outcome.reason[:300],
            "status": outcome.receipt.status_code,
            "request": json.dumps(dict(outcome.receipt.request)),
            "answer": outcome.receipt.answer.replace("\x00", ""),
            "started": outcome.started_at,
            "took": outcome.took_ms,
        },
    )
