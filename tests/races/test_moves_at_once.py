"""Two moves of one job at the same moment: whoever is second sees what the first one wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import pytest
from django.db import DatabaseError

from jobs import leases, reconcile, transitions
from jobs.backends.backend import Finished, Order
from jobs.errors import TransitionRefused
from jobs.events import CANCEL_REQUESTED, OF_STATE
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Cause, Job, Lease, LedgerEntry, Pool, Recovery, Truth
from jobs.states import HOLDING, TERMINAL, JobState
from notifications.models import OutboxEvent
from scheduler import invariants, sweeps
from tests.factories import VIDEO, Person, cy, dispatched, expire_lease, running
from tests.races import at_once

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

ENDINGS = {OF_STATE[state] for state in TERMINAL}
MOVED, REFUSED = "moved", "refused"
STAYS = "stays"


@dataclass(frozen=True)
class Stuck:
    """A job whose lease ran out while its worker, its backend and its owner all live."""

    owner: Person
    id: JobId
    order: Order
    balance: int


def _finish(job: Stuck) -> None:
    transitions.succeed(job.id, attempt=1, video=VIDEO)


def _webhook(job: Stuck) -> bool:
    return reconcile.bring(
        job.order,
        Finished(video=VIDEO),
        cause=Cause.OVERDUE,
        truth=Truth.FINISHED,
        jitter=0.5,
    )


def _cancel(job: Stuck) -> None:
    transitions.cancel(job.id, owner_id=job.owner.id)


def _retry(job: Stuck) -> None:
    transitions.end_attempt(
        job.id, attempt=1, failure=FailureKind.BACKEND_ERROR, message="Why.", jitter=0.5
    )


def _sweep(job: Stuck) -> bool:
    return sweeps.rescue_silent_workers(lambda: 0.5) == 1


MOVES: dict[str, Callable[[Stuck], bool | None]] = {
    "finish": _finish,
    "webhook": _webhook,
    "cancel": _cancel,
    "retry": _retry,
    "sweep": _sweep,
}
# First move, second move: what the second is told, where the job is then, and what it cost.
EXPECTED = {
    ("finish", "finish"): (REFUSED, "succeeded", 4),
    ("finish", "webhook"): (REFUSED, "succeeded", 4),
    ("finish", "cancel"): (REFUSED, "succeeded", 4),
    ("finish", "retry"): (REFUSED, "succeeded", 4),
    ("finish", "sweep"): (REFUSED, "succeeded", 4),
    ("webhook", "finish"): (REFUSED, "succeeded", 4),
    ("webhook", "webhook"): (REFUSED, "succeeded", 4),
    ("webhook", "cancel"): (REFUSED, "succeeded", 4),
    ("webhook", "retry"): (REFUSED, "succeeded", 4),
    ("webhook", "sweep"): (REFUSED, "succeeded", 4),
    # A video that was ready before its backend heard of the cancel is the owner's, at its price.
    ("cancel", "finish"): (MOVED, "succeeded", 4),
    ("cancel", "webhook"): (MOVED, "succeeded", 4),
    ("cancel", "cancel"): (MOVED, STAYS, 0),
    # An attempt that failed costs nothing, whatever its owner had agreed to.
    ("cancel", "retry"): (MOVED, "canceled", 0),
    ("cancel", "sweep"): (MOVED, "canceled", 0),
    ("retry", "finish"): (REFUSED, "queued", 0),
    ("retry", "webhook"): (REFUSED, "queued", 0),
    ("retry", "cancel"): (MOVED, "canceled", 0),
    ("retry", "retry"): (REFUSED, "queued", 0),
    ("retry", "sweep"): (REFUSED, "queued", 0),
    ("sweep", "finish"): (REFUSED, "queued", 0),
    ("sweep", "webhook"): (REFUSED, "queued", 0),
    ("sweep", "cancel"): (MOVED, "canceled", 0),
    ("sweep", "retry"): (REFUSED, "queued", 0),
    ("sweep", "sweep"): (REFUSED, "queued", 0),
}
ENDS_THE_ATTEMPT = ("finish", "webhook", "retry", "sweep")


def _expected(first: str, second: str, *, state: str = "running") -> tuple[str, str, int]:
    told, then, charged = EXPECTED[first, second]
    return told, state if then == STAYS else then, charged


def _stuck(owner: Person, *, state: str = "running") -> Stuck:
    Pool.objects.update(slots=50)
    if state == "dispatched":
        job_id = JobId(dispatched(owner).id)
    else:
        job_id = JobId(running(owner).id)
        leases.pick_up(job_id, attempt=1, worker="gpu.preview@gpu-7")
    expire_lease(job_id)
    order = leases.held(job_id, attempt=1)
    assert order is not None
    balance = Account.objects.get(owner_id=owner.id).balance
    return Stuck(owner=owner, id=job_id, order=order, balance=balance)


def _told(name: str, job: Stuck) -> str:
    """Make a move and say what its maker is told; what nobody may be told is told by its name."""
    try:
        return REFUSED if MOVES[name](job) is False else MOVED
    except TransitionRefused:
        return REFUSED
    except (DatabaseError, AssertionError) as error:
        return type(error).__name__


def _faults(job: Stuck) -> list[str]:
    """Say what is wrong with a job after its moves, and with the whole database."""
    fresh = Job.objects.get(id=job.id)
    account = Account.objects.get(owner_id=job.owner.id)
    state = JobState(fresh.state)
    settlements = LedgerEntry.objects.filter(job_id=job.id, kind__in=["capture", "release"])
    endings = OutboxEvent.objects.filter(subject_id=job.id, name__in=ENDINGS)
    given_back = 4 - fresh.credits_charged if fresh.is_ended else 0
    faults = {
        "settlements": settlements.count() != fresh.is_ended,
        "endings told": endings.count() != fresh.is_ended,
        "balance": account.balance != job.balance + given_back,
        "lease": Lease.objects.filter(job_id=job.id).exists() != (state in HOLDING),
        "tries": fresh.failed_count > 1,
    }
    found = [name for name, is_wrong in faults.items() if is_wrong]
    return found + [str(violation) for violation in invariants.violations(grace=3600)]


def _collide(gate: at_once.Gate, job: Stuck, first: str, second: str) -> tuple[str, str, bool]:
    return gate.hold(partial(_told, first, job), partial(_told, second, job))


@pytest.mark.parametrize("state", ["dispatched", "running"])
@pytest.mark.parametrize(("first", "second"), list(EXPECTED))
def test_the_second_of_two_moves_waits_and_sees_what_the_first_wrote(
    gate: at_once.Gate, first: str, second: str, state: str
) -> None:
    job = _stuck(cy(), state=state)
    told, then, charged = _expected(first, second, state=state)

    answers = _collide(gate, job, first, second)

    fresh = Job.objects.get(id=job.id)
    assert answers == (MOVED, told, True)
    assert (fresh.state, fresh.credits_charged) == (then, charged)
    assert _faults(job) == []
    repairs = {
        name for name, answer in zip((first, second), answers, strict=False) if answer == MOVED
    }
    assert Recovery.objects.count() == len(repairs & {"webhook", "sweep"})
    assert OutboxEvent.objects.filter(name=CANCEL_REQUESTED).count() == (first == "cancel")


@pytest.mark.parametrize(("one", "other"), list(combinations_with_replacement(MOVES, 2)))
def test_two_moves_at_once_end_as_one_after_the_other(one: str, other: str) -> None:
    owner = cy()
    for _ in range(4):
        job = _stuck(owner)

        answers = at_once.threads([partial(_told, name, job) for name in (one, other)])

        fresh = Job.objects.get(id=job.id)
        in_order = {
            (MOVED, *_expected(one, other)),
            (_expected(other, one)[0], MOVED, *_expected(other, one)[1:]),
        }
        assert (*answers, fresh.state, fresh.credits_charged) in in_order
        assert _faults(job) == []


def test_all_moves_at_once_end_the_attempt_once() -> None:
    owner = cy()
    for _ in range(20):
        job = _stuck(owner)

        answers = at_once.threads([partial(_told, name, job) for name in MOVES])

        told = dict(zip(MOVES, answers, strict=True))
        fresh = Job.objects.get(id=job.id)
        assert set(answers) <= {MOVED, REFUSED}
        assert [told[name] for name in ENDS_THE_ATTEMPT].count(MOVED) == 1
        assert (fresh.state, fresh.credits_charged) in {("succeeded", 4), ("canceled", 0)}
        assert _faults(job) == []


@pytest.mark.parametrize(
    ("first", "second", "lost"),
    [
        # The database refuses a second settlement, and leaving a final state.
        ("finish", "webhook", ("IntegrityError", MOVED, "succeeded", None)),
        ("retry", "finish", ("IntegrityError", MOVED, "succeeded", None)),
        # A job that is tried again and has its video.
        ("finish", "retry", (MOVED, MOVED, "succeeded", "unbroken_path")),
        ("finish", "sweep", (MOVED, MOVED, "succeeded", "unbroken_path")),
        # One attempt that ended twice.
        ("retry", "retry", (MOVED, MOVED, "queued", "unbroken_path")),
        # A cancel that was accepted and never happens.
        ("cancel", "retry", (MOVED, MOVED, "queued", None)),
        ("cancel", "sweep", (MOVED, MOVED, "queued", None)),
        ("retry", "cancel", (MOVED, MOVED, "queued", None)),
        # One that is told as accepted although it came too late.
        ("finish", "cancel", (MOVED, MOVED, "succeeded", None)),
    ],
)
@pytest.mark.usefixtures("without_locks", "without_version")
def test_without_locks_and_version_the_race_is_lost(
    gate: at_once.Gate, first: str, second: str, lost: tuple[str, str, str, str | None]
) -> None:
    job = _stuck(cy())
    *outcome, fault = lost

    answers = _collide(gate, job, first, second)

    state = Job.objects.get(id=job.id).state
    assert [*answers[:2], state] == outcome
    assert fault is None or any(found.startswith(fault) for found in _faults(job))
    assert [MOVED, *_expected(first, second)[:2]] != outcome


@pytest.mark.parametrize("second", MOVES)
@pytest.mark.usefixtures("without_locks")
def test_without_locks_the_version_stops_a_write_that_comes_too_late(
    gate: at_once.Gate, second: str
) -> None:
    job = _stuck(cy())

    answers = _collide(gate, job, "finish", second)

    assert answers == ("AssertionError", MOVED, False)
    assert _faults(job) == []
