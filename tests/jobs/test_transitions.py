"""Every move, from every state: legal ones work, the rest are refused and leave no trace."""

import pytest
from django.db import IntegrityError, connection, transaction

from jobs import transitions
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Attempt, Job, JobTransition, Lease, LedgerEntry
from jobs.states import HOLDING, MOVES, TERMINAL, JobState
from notifications.models import OutboxEvent
from scheduler import dispatch
from tests.factories import VIDEO, Person, ann, cy, dispatched, queued

pytestmark = pytest.mark.django_db(transaction=True)


def _fail(job: Job, kind: FailureKind = FailureKind.CONTENT_POLICY) -> None:
    transitions.end_attempt(
        JobId(job.id), attempt=job.attempt, failure=kind, message="Why.", jitter=0.5
    )


def _made(owner: Person, state: JobState) -> Job:
    if state is JobState.QUEUED:
        return Job.objects.get(id=queued(owner))
    job = dispatched(owner)
    job_id = JobId(job.id)
    match state:
        case JobState.RUNNING:
            transitions.start(job_id, attempt=1)
        case JobState.SUCCEEDED:
            transitions.succeed(job_id, attempt=1, video=VIDEO)
        case JobState.FAILED:
            _fail(job)
        case JobState.CANCELED:
            transitions.confirm_cancel(job_id, attempt=1)
        case _:
            pass
    return Job.objects.get(id=job_id)


def _move(job: Job, to: JobState) -> None:
    job_id = JobId(job.id)
    match to:
        case JobState.RUNNING:
            transitions.start(job_id, attempt=job.attempt)
        case JobState.SUCCEEDED:
            transitions.succeed(job_id, attempt=job.attempt, video=VIDEO)
        case JobState.FAILED:
            _fail(job)
        case JobState.QUEUED:
            _fail(job, FailureKind.BACKEND_ERROR)
        case JobState.CANCELED:
            transitions.confirm_cancel(job_id, attempt=job.attempt)
        case _:
            raise AssertionError(to)


def _trace(job: Job) -> tuple[object, ...]:
    fresh = Job.objects.get(id=job.id)
    account = Account.objects.get(owner_id=job.owner_id)
    return (
        fresh.state,
        fresh.version,
        account.balance,
        account.held,
        JobTransition.objects.count(),
        LedgerEntry.objects.count(),
        OutboxEvent.objects.count(),
        Lease.objects.count(),
    )


STATES = [state for state in JobState if state is not JobState.EXPIRED]
WORKER_MOVES = [
    JobState.RUNNING,
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.QUEUED,
    JobState.CANCELED,
]


@pytest.mark.parametrize("current", STATES, ids=str)
@pytest.mark.parametrize("wanted", WORKER_MOVES, ids=str)
def test_a_worker_moves_a_job_only_as_the_table_says(current: JobState, wanted: JobState) -> None:
    job = _made(ann(), current)
    before = _trace(job)
    # A job that waits has no worker; whoever says so holds no attempt.
    allowed = wanted in MOVES[current] and current in HOLDING

    if allowed:
        _move(job, wanted)
        assert Job.objects.get(id=job.id).state == wanted
    else:
        with pytest.raises((TransitionRefused, AttemptSuperseded)):
            _move(job, wanted)
        assert _trace(job) == before


@pytest.mark.parametrize("state", sorted(TERMINAL - {JobState.EXPIRED}), ids=str)
def test_an_end_settles_once_and_frees_the_slot(state: JobState) -> None:
    owner = ann()
    start_balance = Account.objects.get(owner_id=owner.id).balance

    job = _made(owner, state)

    account = Account.objects.get(owner_id=owner.id)
    charged = 4 if state is JobState.SUCCEEDED else 0
    assert (account.balance, account.held, account.live_count) == (start_balance - charged, 0, 0)
    assert job.credits_charged == charged
    assert LedgerEntry.objects.filter(job_id=job.id).exclude(kind="reserve").count() == 1
    assert not Lease.objects.exists()
    assert Attempt.objects.get(job=job).ended_at is not None


def test_a_late_worker_cannot_finish_a_rescued_job() -> None:
    job = dispatched(ann())
    _fail(job, FailureKind.WORKER_LOST)
    Job.objects.filter(id=job.id).update(due_at="2020-01-01T00:00:00Z")
    from scheduler import sweeps

    sweeps.return_due_retries()
    dispatch.grant_free_slots()

    with pytest.raises(AttemptSuperseded):
        transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.attempt) == (JobState.DISPATCHED, 2)


def test_a_waiting_job_is_canceled_at_once_and_its_credits_come_back() -> None:
    owner = ann()
    before = Account.objects.get(owner_id=owner.id).balance
    job_id = queued(owner)

    transitions.cancel(job_id, owner_id=owner.id)

    assert Job.objects.get(id=job_id).state == JobState.CANCELED
    assert Account.objects.get(owner_id=owner.id).balance == before
    assert dispatch.grant_free_slots() == []


def test_a_running_job_keeps_its_slot_until_the_backend_confirms() -> None:
    owner = ann()
    job = _made(owner, JobState.RUNNING)

    transitions.cancel(JobId(job.id), owner_id=owner.id)
    asked = Job.objects.get(id=job.id)
    transitions.confirm_cancel(JobId(job.id), attempt=1)

    assert (asked.state, asked.is_cancel_requested) == (JobState.RUNNING, True)
    assert Job.objects.get(id=job.id).state == JobState.CANCELED


def test_a_cancel_that_came_too_late_says_so() -> None:
    owner = ann()
    job = _made(owner, JobState.SUCCEEDED)

    with pytest.raises(TransitionRefused) as refusal:
        transitions.cancel(JobId(job.id), owner_id=owner.id)

    assert refusal.value.current == JobState.SUCCEEDED


def test_a_lost_worker_of_a_canceled_job_ends_it_instead_of_trying_again() -> None:
    owner = ann()
    job = _made(owner, JobState.RUNNING)
    transitions.cancel(JobId(job.id), owner_id=owner.id)

    _fail(job, FailureKind.WORKER_LOST)

    assert Job.objects.get(id=job.id).state == JobState.CANCELED


def test_nobody_cancels_what_belongs_to_somebody_else() -> None:
    owner, stranger = ann(), cy()
    job_id = queued(owner)

    with pytest.raises(JobMissing):
        transitions.cancel(job_id, owner_id=stranger.id)

    assert Job.objects.get(id=job_id).state == JobState.QUEUED
    assert len(dispatch.grant_free_slots()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update job set state = 'running', finished_at = null, video_url = '' where id = %s",
        "update job set attempt = 0 where id = %s",
        "delete from job_transition where job_id = %s",
        "update ledger_entry set balance_delta = 0 where job_id = %s",
        (
            "insert into ledger_entry (account_id, job_id, kind, balance_delta, held_delta, reason)"
            " select owner_id, id, 'release', 1, -1, 'again' from job where id = %s"
        ),
    ],
)
def test_the_database_refuses_what_code_must_never_do(statement: str) -> None:
    job = _made(ann(), JobState.SUCCEEDED)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [job.id])
