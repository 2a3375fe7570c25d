"""What became of a try, written down once: the delivery, its log, and how its route does."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from notifications import crash_points, delivery_policy, routes
from notifications.channel import Channel, Parcel, Receipt

_ENDED: Final = """
update delivery set state = %(state)s, reason = %(reason)s, due_at = null, claimed_until = null,
    ended_at = now()
where id = %(id)s and attempt = %(attempt)s and state <> 'delivered'
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
    %(reason)s, %(status)s, %(request)s::jsonb, %(answer)s, %(started)s, %(took)s
from delivery where id = %(id)s
on conflict (delivery_id, number) do nothing
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one try: delivered, failed for now or for good, or skipped."""

    kind: str
    reason: str = ""
    # A failure that ends the delivery, and one that ends its target.
    is_final: bool = False
    is_gone: bool = False
    # Seconds that the other side asked for.
    wish: float | None = None
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
        with connection.cursor() as cursor:
            failures = routes.lock(cursor, parcel.channel, parcel.target)
            _write(cursor, parcel, outcome, delay)
            if outcome.kind != "skipped":
                routes.judge(
                    cursor,
                    parcel.channel,
                    parcel.target,
                    is_success=outcome.kind == "delivered",
                    failures=failures,
                    jitter=jitter,
                )
            # No limit here: a place has just become free.
            routes.set_turns(cursor, parcel.channel, [parcel.target], [2**30])
        crash_points.reach("courier.recorded_uncommitted")
    crash_points.reach("courier.recorded")


def _write(cursor: Any, parcel: Parcel, outcome: Outcome, delay: float | None) -> None:
    values = {"id": parcel.id, "attempt": parcel.attempt}
    if delay is not None:
        cursor.execute(_RETRY, {**values, "delay": delay})
    else:
        state = {"delivered": "delivered", "skipped": "skipped"}.get(outcome.kind, "abandoned")
        reason = "" if state == "delivered" else outcome.reason[:300]
        cursor.execute(_ENDED, {**values, "state": state, "reason": reason})
    cursor.execute(
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
