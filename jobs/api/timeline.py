"""A job's story for programs: every move with its time, every try with its durations, the money."""

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.http import Http404

from jobs.api.representation import stamp
from jobs.states import HOLDING, TERMINAL, JobState

# The owner's job or nothing; names of machines stay ours.
_READ: Final = """
select
    (select jsonb_agg(jsonb_build_object('at', at, 'from', from_state, 'to', to_state,
            'attempt', attempt, 'cause', cause) order by version)
        from job_transition where job_id = j.id),
    (select jsonb_agg(jsonb_build_object('number', number, 'granted_at', granted_at,
            'started_at', started_at, 'ended_at', ended_at, 'outcome', nullif(outcome, ''))
            order by number)
        from attempt where job_id = j.id),
    (select jsonb_agg(entry order by entry->>'at') from (
        select jsonb_build_object('at', recorded_at, 'kind', kind, 'balance_delta', balance_delta,
            'held_delta', held_delta) as entry
        from ledger_entry where job_id = j.id and kind = 'reserve'
        union all
        select jsonb_build_object('at', recorded_at, 'kind', kind, 'balance_delta', balance_delta,
            'held_delta', held_delta)
        from ledger_entry where job_id = j.id and kind in ('capture', 'release')) entries),
    (select jsonb_agg(arrived_at order by id) from late_result where job_id = j.id),
    j.state, now()
from job j where j.id = %s and j.owner_id = %s and j.hidden_at is null
"""
_NAMES: Final = {
    JobState.QUEUED: "requeued",
    JobState.DISPATCHED: "granted",
    JobState.RUNNING: "started",
}


def of(job_id: UUID, *, owner_id: UUID) -> dict[str, Any]:
    """Tell one job of an owner in one statement. Raises Http404 for anybody else's."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [job_id, owner_id])
        row = cursor.fetchone()
    if row is None:
        raise Http404
    moves, attempts, entries, late = (_list(value) for value in row[:4])
    state, now = row[4:]
    events = [_event(move, first=at == 0) for at, move in enumerate(moves)]
    events += [{"at": at, "event": "late_result", "attempt": None, "cause": None} for at in late]
    events.sort(key=lambda event: event["at"])
    for event, following in zip(events, [*events[1:], None], strict=True):
        event["seconds"] = _between(event["at"], following["at"]) if following else None
        event["at"] = stamp(event["at"])
    return {
        "job_id": str(job_id),
        "state": state,
        "events": events,
        "attempts": [_attempt(attempt) for attempt in attempts],
        "credits": [entry | {"at": stamp(entry["at"])} for entry in entries],
        "durations": _durations(moves, now=now),
    }


def _list(value: Any) -> list[Any]:
    found: list[Any] = json.loads(value) if isinstance(value, str) else value or []
    for item in found:
        if isinstance(item, dict):
            for name in ("at", "granted_at", "started_at", "ended_at"):
                if item.get(name):
                    item[name] = datetime.fromisoformat(item[name])
    return [datetime.fromisoformat(item) if isinstance(item, str) else item for item in found]


def _event(move: dict[str, Any], *, first: bool) -> dict[str, Any]:
    state = JobState(move["to"])
    return {
        "at": move["at"],
        "event": "submitted" if first else _NAMES.get(state, state.value),
        "attempt": move["attempt"] or None,
        "cause": move["cause"],
    }


def _attempt(attempt: dict[str, Any]) -> dict[str, Any]:
    granted, started, ended = (attempt[f"{name}_at"] for name in ("granted", "started", "ended"))
    return {
        "number": attempt["number"],
        "outcome": attempt["outcome"],
        "granted_at": stamp(granted),
        "started_at": stamp(started),
        "ended_at": stamp(ended),
        "starting_seconds": _between(granted, started) if started else None,
        "running_seconds": _between(started, ended) if started and ended else None,
    }


def _durations(moves: list[dict[str, Any]], *, now: datetime) -> dict[str, float]:
    """Give the seconds spent waiting, starting and running, up to the end or to now."""
    spent = {"waiting_seconds": 0.0, "starting_seconds": 0.0, "running_seconds": 0.0}
    for move, following in zip(moves, [*moves[1:], None], strict=True):
        state = JobState(move["to"])
        if state in TERMINAL:
            continue
        until = following["at"] if following else now
        name = "waiting" if state not in HOLDING else "starting"
        name = "running" if state is JobState.RUNNING else name
        spent[f"{name}_seconds"] += (until - move["at"]).total_seconds()
    found = {name: round(seconds, 3) for name, seconds in spent.items()}
    return found | {"total_seconds": round(sum(spent.values()), 3)}


def _between(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)
