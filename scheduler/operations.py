"""Actions on many jobs: prepared and counted, confirmed by name, worked off in batches, stopped at any time.

Every change of an operation is one guarded update: a worker that lost its claim, or an operation that was aborted
meanwhile, moves no cursor. What it does to a job is a move of the domain, refused where the job has moved on.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from jobs import accounts, reconcile, transitions
from jobs import leases as held_leases
from jobs.errors import InvalidField, JobMissing, TransitionRefused
from jobs.ids import JobId, new_id
from jobs.models import Tier
from scheduler import acts, batches
from scheduler.batches import Item
from scheduler.models import Doing, Operation, OperationState

logger = logging.getLogger(__name__)

_LONGEST_NAME: Final = 60
# Rows of a page, to count and to do; those whose servers are asked are few, each may take seconds.
_COUNTED_AT_ONCE: Final = 2_000
_DONE_AT_ONCE: Final = 50
_ASKED_AT_ONCE: Final = 5
# A pass ends after so many seconds; a claim outlives the slowest page.
_PASS: Final = 5.0
_CLAIM: Final = 60.0
_TAKE: Final = """
update operation set claimed_until = now() + make_interval(secs => %s) where id = (
    select id from operation where state in ('counting', 'running')
        and (claimed_until is null or claimed_until < now())
    order by id limit 1 for update skip locked
) returning id
"""
_ENDED: Final = frozenset({OperationState.DONE, OperationState.ABORTED})


def prepare(
    *,
    name: str,
    doing: str,
    filters: Mapping[str, Any],
    tier: str,
    actor: str,
    reason: str,
) -> Operation:
    """Make an operation; a worker counts what it is about, and changes nothing. Raises InvalidField."""
    why = acts.reason_of(reason)
    called = " ".join(name.replace("\x00", "").split())
    if not called or len(called) > _LONGEST_NAME:
        raise InvalidField("name", f"Give it a name of at most {_LONGEST_NAME} characters.")
    if doing not in Doing.values:
        raise InvalidField("doing", "Choose what to do.")
    if doing == Doing.MOVE_TIER:
        if not Tier.objects.filter(name=tier, weight__gt=0).exists():
            raise InvalidField("tier_to", "Choose the tier that they move to.")
        if filters.get("tier") == tier:
            raise InvalidField("tier_to", "They are on this tier already.")
    end = new_id() if doing == Doing.CANCEL else UUID(int=2**128 - 1)
    return Operation.objects.create(
        name=called,
        doing=doing,
        filters=dict(filters),
        tier=tier if doing == Doing.MOVE_TIER else "",
        actor=actor,
        reason=why,
        end=end,
    )


def confirm(operation_id: UUID, *, typed: str, actor: str) -> Operation:
    """Let a counted operation run, once its name was typed. Raises InvalidField, Operation.DoesNotExist."""
    with transaction.atomic():
        found = Operation.objects.select_for_update().get(id=operation_id)
        if found.state != OperationState.COUNTED:
            raise InvalidField("name", f"It is {found.get_state_display().lower()} already.")
        if " ".join(typed.split()) != found.name:
            raise InvalidField("name", f"Type its name to confirm: {found.name}")
        found.state, found.cursor = OperationState.RUNNING, None
        found.save(update_fields=["state", "cursor"])
        acts.record(
            actor,
            f"bulk.{found.doing}",
            f"operation {found.id}",
            reason=found.reason,
            outcome=f"“{found.name}” began, about {found.counted:,}.",
        )
    return found


def abort(operation_id: UUID, *, actor: str, reason: str) -> Operation:
    """Stop an operation; what it did stays done. Raises InvalidField, Operation.DoesNotExist."""
    why = acts.reason_of(reason)
    with transaction.atomic():
        found = Operation.objects.select_for_update().get(id=operation_id)
        if found.state in _ENDED:
            raise InvalidField("reason", f"It is {found.get_state_display().lower()} already.")
        found.state, found.ended_at, found.claimed_until = OperationState.ABORTED, Now(), None
        found.save(update_fields=["state", "ended_at", "claimed_until"])
        acts.record(
            actor,
            "bulk.abort",
            f"operation {found.id}",
            reason=why,
            outcome=f"“{found.name}” stopped after {found.done:,} of {found.counted:,}.",
        )
    return Operation.objects.get(id=operation_id)


def work(jitter: Callable[[], float]) -> int:
    """Count or do what operations ask for, for some seconds; say how many things were looked at."""
    looked_at, ends_at = 0, time.monotonic() + _PASS
    while time.monotonic() < ends_at:
        operation = _take()
        if operation is None:
            break
        try:
            while time.monotonic() < ends_at:
                found = _page(operation, jitter)
                if found is None:
                    break
                looked_at += found
        finally:
            # Left to the next pass, by whichever worker.
            Operation.objects.filter(id=operation.id, ended_at=None).update(claimed_until=None)
    return looked_at


def _take() -> Operation | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [_CLAIM])
        row = cursor.fetchone()
    return Operation.objects.get(id=row[0]) if row else None


def _page(operation: Operation, jitter: Callable[[], float]) -> int | None:
    """Look at one page and move the cursor; None when it is over, or somebody else's now."""
    counts = operation.state == OperationState.COUNTING
    asks = operation.doing == Doing.ASK
    most = _ASKED_AT_ONCE if asks else _COUNTED_AT_ONCE if counts else _DONE_AT_ONCE
    items = batches.page(operation, most=most)
    fitting = [item for item in items if item.fits]
    changed: dict[str, Any] = {}
    if counts:
        changed["counted"] = F("counted") + len(fitting)
        if asks:
            changed["truths"] = _added(operation.truths, _truths(fitting))
    else:
        done = _do(operation, fitting, jitter)
        changed["done"] = F("done") + done
        changed["skipped"] = F("skipped") + len(fitting) - done
    if items:
        changed["cursor"] = items[-1].id
    elif counts:
        changed |= {"state": OperationState.COUNTED, "cursor": None, "claimed_until": None}
    else:
        changed |= {"state": OperationState.DONE, "ended_at": Now(), "claimed_until": None}
    moved = Operation.objects.filter(
        id=operation.id, state=operation.state, cursor=operation.cursor
    ).update(**changed)
    if not moved or not items:
        if moved and not counts:
            _tell_end(operation.id)
        return None
    operation.refresh_from_db()
    return len(items)


def _tell_end(operation_id: UUID) -> None:
    found = Operation.objects.get(id=operation_id)
    acts.record(
        found.actor,
        f"bulk.{found.doing}",
        f"operation {found.id}",
        reason=found.reason,
        outcome=f"“{found.name}” ended: {found.done:,} done, {found.skipped:,} had moved on.",
    )


def _truths(items: Sequence[Item]) -> Counter[str]:
    """Ask the backends about attempts; nothing is believed yet."""
    found: Counter[str] = Counter()
    for item in items:
        order = held_leases.held(JobId(item.id), attempt=item.attempt)
        if order is not None:
            _, _, truth = reconcile.ask(order)
            found[truth.value] += 1
    return found


def _added(known: Mapping[str, int], more: Counter[str]) -> dict[str, int]:
    return {name: known.get(name, 0) + more[name] for name in {*known, *more}}


def _do(operation: Operation, items: Sequence[Item], jitter: Callable[[], float]) -> int:
    """Do it to each, in transactions of their own; say to how many it was done."""
    return sum(_guarded(operation, item, jitter()) for item in items)


def _guarded(operation: Operation, item: Item, jitter: float) -> bool:
    """Do it to one; one that breaks must not keep the others from it."""
    try:
        return _done(operation, item, jitter)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # counted as not done; the log says why
        logger.exception(
            "operation_broke", extra={"operation": str(operation.id), "job": str(item.id)}
        )
        return False


def _done(operation: Operation, item: Item, jitter: float) -> bool:
    job_id = JobId(item.id)
    match Doing(operation.doing):
        case Doing.CANCEL:
            return withdraw(job_id, why=operation.reason)
        case Doing.MOVE_TIER:
            return accounts.change_tier(item.owner_id, tier=operation.tier) != operation.tier
        case Doing.PUT_BACK:
            return reconcile.put_back(
                job_id, attempt=item.attempt, why=operation.reason, jitter=jitter
            )
        case Doing.ASK:
            return reconcile.question(
                job_id, attempt=item.attempt, is_hopeless=False, jitter=jitter
            )


def withdraw(job_id: JobId, *, why: str) -> bool:
    """Cancel a waiting job at no charge, and tell its owner why; say whether it still waited."""
    try:
        transitions.withdraw(job_id, why=f"Cancelled by an operator: {why}")
    except (TransitionRefused, JobMissing) as refusal:
        logger.info("withdrawal_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        return False
    return True
