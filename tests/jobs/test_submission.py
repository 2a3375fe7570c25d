"""Accepting and refusing: what is written, what is not, and what a repeated key gives back."""

import pytest

from jobs.errors import KeyReused, QuotaExceeded
from jobs.models import (
    Account,
    Backlog,
    IdempotencyKey,
    Job,
    JobTransition,
    Lane,
    LedgerEntry,
)
from notifications.models import OutboxEvent
from tests.factories import ann, bob, reach, submit

pytestmark = pytest.mark.django_db


def _rows() -> tuple[int, ...]:
    tables = (Job, JobTransition, LedgerEntry, OutboxEvent, Backlog, Lane, IdempotencyKey)
    return tuple(table.objects.count() for table in tables)


def test_a_submission_writes_everything_at_once() -> None:
    owner = ann()
    balance = Account.objects.get(owner_id=owner.id).balance

    accepted = submit(owner, key="k1")

    job = Job.objects.get(id=accepted.job_id)
    account = Account.objects.get(owner_id=owner.id)
    assert (job.state, job.attempt, job.credits_reserved) == ("queued", 0, 4)
    assert (account.balance, account.held, account.live_count) == (balance - 4, 4, 1)
    assert OutboxEvent.objects.get(subject_id=job.id).name == "job.submitted"
    assert Backlog.objects.filter(job_id=job.id).exists()


def test_the_same_key_gives_the_same_job_and_charges_once() -> None:
    owner = ann()
    first = submit(owner, key="k1")
    before = _rows()

    second = submit(owner, key="k1")

    assert (second.job_id, second.is_replay) == (first.job_id, True)
    assert _rows() == before


def test_a_key_belongs_to_one_request() -> None:
    owner = ann()
    submit(owner, "a whale", key="k1")
    before = _rows()

    with pytest.raises(KeyReused):
        submit(owner, "a shark", key="k1")

    assert _rows() == before


def test_a_key_belongs_to_one_account() -> None:
    first_owner, second_owner = ann(), bob()
    first = submit(first_owner, key="k1")

    second = submit(second_owner, key="k1")

    assert second.job_id != first.job_id


def test_a_full_line_refuses_and_burns_no_key() -> None:
    owner = bob()
    for _ in range(10):
        submit(owner)
    before = _rows()

    with pytest.raises(QuotaExceeded) as refusal:
        submit(owner, key="k1")

    assert (refusal.value.limit, refusal.value.value) == ("queued", 10)
    assert _rows() == before


def test_a_replay_is_answered_even_when_the_line_is_full() -> None:
    owner = bob()
    first = submit(owner, key="k1")
    for _ in range(9):
        submit(owner)

    again = submit(owner, key="k1")

    assert again.job_id == first.job_id


def test_without_credits_nothing_is_written() -> None:
    owner = ann()
    Account.objects.filter(owner_id=owner.id).update(balance=3)
    before = _rows()

    with pytest.raises(QuotaExceeded) as refusal:
        submit(owner)

    assert refusal.value.limit == "credits"
    assert _rows() == before


def test_a_newcomer_starts_level_with_the_line() -> None:
    owner = ann()
    reach(500)

    submit(owner)

    assert Lane.objects.get(owner_id=owner.id).tag == 500
