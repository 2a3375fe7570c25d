"""What a cancel costs and when it is too late; how failures end or repeat a job."""

import pytest

from jobs import transitions
from jobs.errors import CancelFeeChanged, JobMissing
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Job, Lease
from jobs.states import JobState
from notifications.models import OutboxEvent
from scheduler import dispatch
from tests.factories import (
    VIDEO,
    ann,
    cy,
    dispatched,
    end_attempt,
    queued,
    running,
    second_attempt,
)

pytestmark = pytest.mark.django_db(transaction=True)

QUEUED, DISPATCHED, RUNNING, SUCCEEDED, FAILED, CANCELED, EXPIRED = JobState


def test_a_waiting_job_is_canceled_at_once_and_its_credits_come_back() -> None:
    owner = ann()
    before = Account.objects.get(owner_id=owner.id).balance
    job_id = queued(owner)

    transitions.cancel(job_id, owner_id=owner.id)

    assert Job.objects.get(id=job_id).state == CANCELED
    assert Account.objects.get(owner_id=owner.id).balance == before
    assert dispatch.grant_free_slots() == []


def test_a_running_job_keeps_its_slot_until_the_backend_confirms() -> None:
    owner = ann()
    job = running(owner)

    for _ in range(2):
        transitions.cancel(JobId(job.id), owner_id=owner.id)
    asked = Job.objects.get(id=job.id)
    held = Lease.objects.count()
    transitions.confirm_stop(JobId(job.id), attempt=1)

    assert (asked.state, asked.is_cancel_requested, held) == (RUNNING, True, 1)
    assert OutboxEvent.objects.filter(name="job.cancel_requested").count() == 1
    assert Job.objects.get(id=job.id).state == CANCELED


def test_a_cancel_costs_what_was_said_when_it_was_asked_for() -> None:
    owner = ann()
    job = dispatched(owner)

    transitions.cancel(JobId(job.id), owner_id=owner.id)
    transitions.start(JobId(job.id), attempt=1)
    transitions.confirm_stop(JobId(job.id), attempt=1)

    assert Job.objects.get(id=job.id).credits_charged == 0


def test_a_finish_before_the_stop_is_confirmed_gives_the_video_and_charges_it() -> None:
    owner = ann()
    job = running(owner)
    transitions.cancel(JobId(job.id), owner_id=owner.id)

    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.credits_charged) == (SUCCEEDED, 4)


def test_nobody_cancels_what_belongs_to_somebody_else() -> None:
    owner, stranger = ann(), cy()
    job_id = queued(owner)

    with pytest.raises(JobMissing):
        transitions.cancel(job_id, owner_id=stranger.id)

    assert Job.objects.get(id=job_id).state == QUEUED
    assert len(dispatch.grant_free_slots()) == 1


def test_a_poison_job_ends_after_its_attempts_and_says_why() -> None:
    job = dispatched(ann())
    second_attempt(job)
    second_attempt(Job.objects.get(id=job.id))

    end_attempt(Job.objects.get(id=job.id), FailureKind.WORKER_LOST)

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.attempt, fresh.failed_count) == (FAILED, 3, 3)
    assert fresh.error_message == "Why. It was tried 3 times."
    assert fresh.credits_charged == 0


def test_a_worker_that_is_taken_out_of_service_costs_no_try() -> None:
    job = running(ann())

    end_attempt(job, FailureKind.WORKER_STOPPED)

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.failed_count) == (QUEUED, 0)


def test_a_cancel_that_would_cost_more_than_agreed_is_refused() -> None:
    owner = ann()
    job = running(owner)

    with pytest.raises(CancelFeeChanged) as refused:
        transitions.cancel(JobId(job.id), owner_id=owner.id, agreed_fee=0)

    assert refused.value.fee == 2
    assert not Job.objects.get(id=job.id).is_cancel_requested
