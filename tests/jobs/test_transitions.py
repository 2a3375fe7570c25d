"""Every move, from every state: legal ones work, the rest are refused and leave no trace."""

from collections.abc import Callable

import pytest
from django.db import connection

from jobs import late_results, locks, transitions
from jobs.errors import AttemptSuperseded, JobMissing, TransitionRefused
from jobs.failures import FailureKind
from jobs.ids import JobId, new_job_id
from jobs.models import Account, Attempt, Job, JobTransition, LateResult, Lease, LedgerEntry
from jobs.states import MOVES, TERMINAL, JobState
from notifications.models import OutboxEvent
from tests.factories import (
    VIDEO,
    Person,
    ann,
    dispatched,
    end_attempt,
    past_deadline,
    queued,
    running,
    second_attempt,
)

pytestmark = pytest.mark.django_db(transaction=True)

QUEUED, DISPATCHED, RUNNING, SUCCEEDED, FAILED, CANCELED, EXPIRED = JobState


def _ask_to_cancel(job: Job) -> None:
    Job.objects.filter(id=job.id).update(cancel_requested_at="2020-01-01T00:00:00Z", cancel_fee=2)


def _confirm_cancel(job: Job) -> None:
    transitions.confirm_stop(JobId(job.id), attempt=job.attempt)


# A name for each move, what must be so before it, the move, and where it leads from where.
MOVERS: dict[
    str, tuple[Callable[[Job], object], Callable[[Job], object], dict[JobState, JobState]]
] = {
    "start": (
        lambda _: None,
        lambda job: transitions.start(JobId(job.id), attempt=job.attempt),
        {DISPATCHED: RUNNING},
    ),
    "succeed": (
        lambda _: None,
        lambda job: transitions.succeed(JobId(job.id), attempt=job.attempt, video=VIDEO),
        {DISPATCHED: SUCCEEDED, RUNNING: SUCCEEDED},
    ),
    "fail": (
        lambda _: None,
        lambda job: end_attempt(job, FailureKind.CONTENT_POLICY),
        {DISPATCHED: FAILED, RUNNING: FAILED},
    ),
    "retry later": (
        lambda _: None,
        lambda job: end_attempt(job, FailureKind.BACKEND_ERROR),
        {DISPATCHED: QUEUED, RUNNING: QUEUED},
    ),
    "fail after the last try": (
        lambda job: Job.objects.filter(id=job.id).update(failed_count=2),
        lambda job: end_attempt(job, FailureKind.WORKER_LOST),
        {DISPATCHED: FAILED, RUNNING: FAILED},
    ),
    "fail a canceled one": (
        _ask_to_cancel,
        lambda job: end_attempt(job, FailureKind.WORKER_LOST),
        {DISPATCHED: CANCELED, RUNNING: CANCELED},
    ),
    "fail past the deadline": (
        lambda job: past_deadline(job.id),
        lambda job: end_attempt(job, FailureKind.BACKEND_ERROR),
        {DISPATCHED: EXPIRED, RUNNING: EXPIRED},
    ),
    "confirm a cancel": (
        _ask_to_cancel,
        _confirm_cancel,
        {DISPATCHED: CANCELED, RUNNING: CANCELED},
    ),
    "confirm past the deadline": (
        lambda job: past_deadline(job.id),
        _confirm_cancel,
        {DISPATCHED: EXPIRED, RUNNING: EXPIRED},
    ),
    "confirm what nobody asked": (lambda _: None, _confirm_cancel, {}),
    "cancel": (
        lambda _: None,
        lambda job: transitions.cancel(JobId(job.id), owner_id=job.owner_id),
        {QUEUED: CANCELED, DISPATCHED: DISPATCHED, RUNNING: RUNNING, CANCELED: CANCELED},
    ),
    "expire past the start": (
        lambda job: past_deadline(job.id, field="start_by"),
        lambda job: transitions.expire(JobId(job.id)),
        {QUEUED: EXPIRED},
    ),
    "expire past the finish": (
        lambda job: past_deadline(job.id),
        lambda job: transitions.expire(JobId(job.id)),
        {QUEUED: EXPIRED},
    ),
    "expire in time": (lambda _: None, lambda job: transitions.expire(JobId(job.id)), {}),
}


def _made(owner: Person, state: JobState) -> Job:
    if state in {QUEUED, EXPIRED}:
        job = Job.objects.get(id=queued(owner))
    elif state is DISPATCHED:
        job = dispatched(owner)
    else:
        job = running(owner)
    job_id = JobId(job.id)
    match state:
        case JobState.SUCCEEDED:
            transitions.succeed(job_id, attempt=1, video=VIDEO)
        case JobState.FAILED:
            end_attempt(job, FailureKind.CONTENT_POLICY)
        case JobState.CANCELED:
            transitions.cancel(job_id, owner_id=owner.id)
            transitions.confirm_stop(job_id, attempt=1)
        case JobState.EXPIRED:
            past_deadline(job.id)
            transitions.expire(job_id)
        case _:
            pass
    return Job.objects.get(id=job_id)


def _trace(job: Job) -> tuple[object, ...]:
    fresh = Job.objects.get(id=job.id)
    account = Account.objects.get(owner_id=job.owner_id)
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from backlog")
        (waiting,) = cursor.fetchone()
    return (
        fresh.state,
        fresh.version,
        fresh.cancel_requested_at,
        account.balance,
        account.held,
        account.live_count,
        waiting,
        JobTransition.objects.count(),
        LedgerEntry.objects.count(),
        OutboxEvent.objects.count(),
        Lease.objects.count(),
        Attempt.objects.filter(ended_at=None).count(),
    )


@pytest.mark.parametrize("current", JobState, ids=str)
@pytest.mark.parametrize("name", MOVERS)
def test_a_move_works_where_the_table_says_and_leaves_no_trace_elsewhere(
    current: JobState, name: str
) -> None:
    prepare, move, leads = MOVERS[name]
    job = _made(ann(), current)
    prepare(job)
    job = Job.objects.get(id=job.id)
    before = _trace(job)

    if current in leads:
        move(job)
        assert Job.objects.get(id=job.id).state == leads[current]
        assert leads[current] == current or leads[current] in MOVES[current]
    else:
        with pytest.raises((TransitionRefused, AttemptSuperseded)):
            move(job)
        assert _trace(job) == before


def test_every_legal_move_is_made_by_one_of_the_moves() -> None:
    made = {
        (start, end)
        for _, _, leads in MOVERS.values()
        for start, end in leads.items()
        if start != end
    }
    legal = {(start, end) for start, ends in MOVES.items() for end in ends}

    assert legal - made == {(QUEUED, DISPATCHED)}, "the grant is the dispatcher's"
    assert made <= legal


@pytest.mark.parametrize("name", [*MOVERS, "keep a late result"])
def test_an_unknown_job_is_missing(name: str) -> None:
    job = Job(id=new_job_id(), owner_id=ann().id, attempt=1)
    if name == "keep a late result":
        assert not late_results.keep(JobId(job.id), attempt=1, video=VIDEO)
        return
    with pytest.raises(JobMissing):
        MOVERS[name][1](job)


@pytest.mark.parametrize("state", sorted(TERMINAL), ids=str)
def test_an_end_settles_once_and_frees_the_slot(state: JobState) -> None:
    owner = ann()
    start_balance = Account.objects.get(owner_id=owner.id).balance

    job = _made(owner, state)

    account = Account.objects.get(owner_id=owner.id)
    # A cancel of a running video costs 40 % of its 4 credits, rounded.
    charged = {SUCCEEDED: 4, CANCELED: 2}.get(state, 0)
    entry = LedgerEntry.objects.exclude(kind="reserve").get(job_id=job.id)
    assert (account.balance, account.held, account.live_count) == (start_balance - charged, 0, 0)
    assert (job.credits_charged, entry.house_delta) == (charged, charged)
    assert entry.kind == ("capture" if charged else "release")
    assert not Lease.objects.exists()
    assert not Attempt.objects.filter(job=job, ended_at=None).exists()


def test_a_late_worker_cannot_finish_a_rescued_job() -> None:
    job = dispatched(ann())
    second_attempt(job)

    with pytest.raises(AttemptSuperseded):
        transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.attempt) == (DISPATCHED, 2)


def test_a_late_video_is_kept_once_not_charged_and_not_noticed() -> None:
    owner = ann()
    job = _made(owner, FAILED)
    before = Account.objects.get(owner_id=owner.id).balance

    kept = [late_results.keep(JobId(job.id), attempt=1, video=VIDEO) for _ in range(2)]

    assert kept == [True, False]
    assert LateResult.objects.get().video_url == VIDEO.url
    assert Account.objects.get(owner_id=owner.id).balance == before
    assert OutboxEvent.objects.filter(name="job.late_result").count() == 1
    assert Job.objects.get(id=job.id).state == FAILED


def test_the_winner_s_own_video_is_not_late() -> None:
    job = _made(ann(), SUCCEEDED)

    assert not late_results.keep(JobId(job.id), attempt=1, video=VIDEO)


def test_a_move_on_a_row_that_is_not_as_it_was_read_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = running(ann())
    before = _trace(job)
    outdated = Job.objects.get(id=job.id)
    outdated.version -= 1
    monkeypatch.setattr(locks, "job", lambda _: outdated)

    with pytest.raises(AssertionError):
        transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert _trace(job) == before
