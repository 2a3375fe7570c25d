"""Entering a request: by the cheapest way that decides, and together with others that arrive meanwhile."""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import DatabaseError, IntegrityError, connection, transaction

from jobs import events, gates, idempotency, images, submit_statement
from jobs.combining import Combiner
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.requests import InvalidFields, VideoRequest
from jobs.submit_statement import Way
from notifications import prepared

logger: Final = logging.getLogger(__name__)

_Run = Callable[[str, Mapping[str, Any]], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a request came from: an ended job, a job to vary, a call with several requests; and who or what sent it."""

    retry_of: UUID | None = None
    variation_of: UUID | None = None
    batch_id: UUID | None = None
    sent_by: str = ""


_LOCK_ACCOUNT: Final = "select 1 from account where owner_id = %s for no key update"
# After the door itself decided, requests of that kind go straight to it for so long, seconds.
_AT_THE_DOOR: Final = 1.0
_door_until: dict[str, float] = {}
# A repeat that came through the door is taken back.
_GIVE_BACK: Final = "update door set added = added - %s where line_id = %s"
# What the event of a submission says.
_NEW: Final = {"state": "queued", "version": 1}
_TOLD: Final = json.dumps(_NEW)
# Standby that named no time to start by waits so long, seconds.
_STANDBY_LASTS: Final = 86_400


class Outcome(NamedTuple):
    """What the statement found, the line whose door counted the job, and the line's tier.

    `places_left` of the plan's line are None where the plan has no such limit; moments are those of the new job.
    """

    has_room: bool = False
    has_passed: bool = False
    is_entered: bool = False
    counted_in: int | None = None
    tier: str = ""
    places_left: int | None = None
    created_at: datetime | None = None
    start_by: datetime | None = None
    finish_by: datetime | None = None


_NO_ROOM: Final = Outcome()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One request to enter."""

    request: VideoRequest
    owner_id: UUID
    job_id: JobId
    claim: Claim
    origin: Origin


def enter(request: VideoRequest, *, owner_id: UUID, **options: Any) -> Outcome:
    """Enter a request, and keep its image in the same transaction, after the account's lock.

    `options` are the job's id, its claim and its origin. Raises InvalidFields when an earlier image is not
    kept any more.
    """
    image = request.input_reference
    if image is None:
        return _enter(request, owner_id=owner_id, **options)
    with transaction.atomic():
        found = _enter(request, owner_id=owner_id, **options)
        if found.is_entered and not images.keep(image, owner_id=owner_id):
            raise InvalidFields({images.FIELD: "The image is not kept any more. Send it again."})
    return found


def _enter(request: VideoRequest, **options: Any) -> Outcome:
    entry = _Entry(request=request, **options)
    try:
        if _may_go_together(entry) and (found := _arrivals.call(entry)) is not None:
            # Here, not in the one that led: it may wait for whoever holds the door.
            _give_back(entry, found)
            if found.has_passed:
                return found
        return _by_turns(entry) or _locked(entry)
    except IntegrityError as error:
        # The claim is gone after its days, and the job still knows its key.
        if "job_one_per_key" not in str(error):
            raise
        return Outcome(has_room=True, has_passed=True)


def _may_go_together(entry: _Entry) -> bool:
    """Tell whether a request is a plain one, which nearly all are, and nothing but gates decides on its kind."""
    request, origin = entry.request, entry.origin
    is_plain = (
        not request.standby and request.input_reference is None and request.remixed_from is None
    )
    is_first = origin.retry_of is None and origin.variation_of is None and origin.batch_id is None
    return (
        is_plain
        and is_first
        and entry.claim.content is None
        and not connection.in_atomic_block
        and _ways(request)[0] is Way.GATES
    )


def _together(entries: Sequence[_Entry]) -> list[Outcome | None]:
    """Enter requests of different owners, in one statement and one transaction.

    Whoever is not let in, or whose account another statement holds, has not passed, and goes alone; where one breaks a
    rule all do, and None is given.
    """
    if len(entries) == 1:
        return [_execute(entries[0], way=Way.GATES, is_patient=False, run=_led.run)]
    values = {
        "asked": orjson.dumps([_asked(entry) for entry in entries]).decode(),
        "gate": _any_gate(),
        "event": events.SUBMITTED,
        "payload": _TOLD,
    }
    try:
        rows = _led.run(submit_statement.of_several(), values)
    except DatabaseError as error:
        # Its text may quote what somebody sent.
        logger.info("submissions_go_alone", extra={"reason": type(error).__name__})
        return [None] * len(entries)
    outcomes = {row[-1]: Outcome(*row[:-1]) for row in rows}
    return [outcomes.get(entry.job_id, _NO_ROOM) for entry in entries]


def _asked(entry: _Entry) -> dict[str, Any]:
    request = entry.request
    return {
        "job": entry.job_id,
        "owner": entry.owner_id,
        "key": entry.claim.key,
        "fingerprint": request.fingerprint().hex(),
        "prompt": request.prompt,
        "model": request.model,
        "kind": request.kind,
        "seconds": request.seconds,
        "size": request.size,
        "seed": request.seed,
        "estimate": request.estimate,
        "credits": request.credits,
        "start_within": request.start_within,
        "finish_within": request.finish_within,
        "sent_by": entry.origin.sent_by,
    }


def _by_turns(entry: _Entry) -> Outcome | None:
    """Enter by the first way that decides; None where only a count of what runs can.

    Two claims must both hold or neither. In a caller's transaction, a broken constraint must not spoil what follows.
    """
    has_two = entry.claim.key is not None and entry.claim.content is not None
    has_savepoint = has_two or connection.in_atomic_block
    for way in _ways(entry.request):
        with transaction.atomic() if has_savepoint else nullcontext():
            found = _execute(entry, way=way)
            if has_two and not found.is_entered:
                transaction.set_rollback(True)
        if not has_two:
            _give_back(entry, found)
        if found.has_passed or (found.has_room and way is Way.DOOR):
            return found
        if found.has_room:
            _door_until[entry.request.kind] = time.monotonic() + _AT_THE_DOOR
    return None


def _locked(entry: _Entry) -> Outcome:
    """Enter with the account locked: jobs that run leave their places in line, and are counted now.

    Only an account near its limit, and standby, pay for that.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_ACCOUNT, [entry.owner_id])
        found = _execute(entry, way=Way.LOCKED)
        if not found.is_entered:
            transaction.set_rollback(True)
    return found


def _give_back(entry: _Entry, found: Outcome) -> None:
    """Take back what a repeat that was let in added to what waits."""
    if found.counted_in and not found.is_entered:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, [_adds(entry.request), found.counted_in])


def _ways(request: VideoRequest) -> tuple[Way, ...]:
    """Give what to try without the account's lock; standby counts, and so needs it."""
    if request.standby:
        return ()
    if _door_until.get(request.kind, 0.0) > time.monotonic():
        return (Way.DOOR,)
    return (Way.GATES, Way.DOOR)


def _adds(request: VideoRequest) -> float:
    # What waits on standby is bounded by number.
    return 1.0 if request.standby else request.estimate


def _any_gate() -> int:
    return random.randrange(gates.COUNT)  # noqa: S311 - spreads callers, guards nothing


def _execute(
    entry: _Entry, *, way: Way, is_patient: bool = True, run: _Run | None = None
) -> Outcome:
    request, claim, origin = entry.request, entry.claim, entry.origin
    start_within = request.start_within or (_STANDBY_LASTS if request.standby else None)
    found = (run or prepared.run)(
        submit_statement.of_one(
            has_key=claim.key is not None,
            has_content=claim.content is not None,
            way=way,
            is_standby=request.standby,
            is_patient=is_patient,
        ),
        {
            "owner": entry.owner_id,
            "job": entry.job_id,
            "key": claim.key,
            "content": claim.content,
            "window": claim.window,
            "only_hopeful": claim.only_hopeful,
            "is_first_try": claim.is_first_try,
            "content_mark": idempotency.RETRY_MARK if claim.is_retry else b"",
            "retry_mark": idempotency.RETRY_MARK,
            "resent": idempotency.RESENT_SECONDS,
            "fingerprint": request.fingerprint(),
            "prompt": request.prompt,
            "model": request.model,
            "kind": request.kind,
            "seconds": request.seconds,
            "size": request.size,
            "seed": request.seed,
            "standby": request.standby,
            "adds": _adds(request),
            "gate": _any_gate(),
            "start_within": start_within,
            "finish_within": request.finish_within,
            "estimate": request.estimate,
            "credits": request.credits,
            "retry_of": origin.retry_of,
            "variation_of": origin.variation_of,
            "batch": origin.batch_id,
            "sent_by": origin.sent_by,
            "image": request.input_reference.digest if request.input_reference else None,
            "remixed_from": request.remixed_from,
            "event": events.SUBMITTED,
            "payload": _told(origin),
        },
    )
    return Outcome(*found[0]) if found else _NO_ROOM


def _told(origin: Origin) -> str:
    if origin.batch_id is None:
        return _TOLD
    return json.dumps({**_NEW, "batch_id": str(origin.batch_id)})


# Twice the threads that a web process has if nobody says otherwise; a statement of more would hold the next ones up.
_MOST_TOGETHER: Final = 16
# Each vacuum of a table makes every connection plan the statement again, which takes longer than to carry it out: so
# those that lead share one.
_led: Final = prepared.Shared()
_arrivals: Final[Combiner[_Entry, Outcome]] = Combiner(
    _together, name=lambda entry: entry.owner_id, most=_MOST_TOGETHER
)
