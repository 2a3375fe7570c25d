"""A cancel or an expiry at the moment of its job's grant or start."""

from collections.abc import Callable
from functools import partial

import pytest

from jobs import locks, transitions
from jobs.errors import CancelFeeChanged, TransitionRefused
from jobs.ids import JobId
from jobs.models import Job, Lease
from scheduler import dispatch, invariants
from tests.factories import Person, cy, dispatched, past_deadline, queued
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def _try(act: Callable[[], object]) -> object:
    try:
        return act()
    except (TransitionRefused, CancelFeeChanged) as refusal:
        return type(refusal)


def test_a_cancel_that_meets_the_start_is_asked_again_at_the_new_fee(gate: at_once.Gate) -> None:
    job = dispatched(cy())
    start = partial(transitions.start, JobId(job.id), attempt=1)
    cancel = partial(transitions.cancel, JobId(job.id), owner_id=job.owner_id, agreed_fee=0)

    answers = gate.hold(partial(_try, start), partial(_try, cancel))

    fresh = Job.objects.get(id=job.id)
    assert answers == (None, CancelFeeChanged, True)
    assert (fresh.state, fresh.cancel_requested_at) == ("running", None)


def test_a_start_that_meets_a_cancel_does_not_raise_its_fee(gate: at_once.Gate) -> None:
    job = dispatched(cy())
    start = partial(transitions.start, JobId(job.id), attempt=1)
    cancel = partial(transitions.cancel, JobId(job.id), owner_id=job.owner_id, agreed_fee=0)

    answers = gate.hold(cancel, start)

    fresh = Job.objects.get(id=job.id)
    assert answers == (None, None, True)
    assert (fresh.state, fresh.is_cancel_requested, fresh.cancel_fee) == ("running", True, 0)


def _end_while_waiting(name: str, job: Job) -> object:
    if name == "cancel":
        return _try(partial(transitions.cancel, JobId(job.id), owner_id=job.owner_id))
    return _try(partial(transitions.expire, JobId(job.id)))


def _waiting(owner: Person) -> Job:
    job_id = queued(owner)
    past_deadline(job_id, field="start_by")
    return Job.objects.get(id=job_id)


@pytest.mark.parametrize("name", ["cancel", "expire"])
def test_a_grant_passes_by_a_job_that_is_being_ended(gate: at_once.Gate, name: str) -> None:
    job = _waiting(cy())

    _, granted, has_waited = gate.hold(
        partial(_end_while_waiting, name, job), dispatch.grant_free_slots
    )

    fresh = Job.objects.get(id=job.id)
    assert (granted, has_waited) == ([], False)
    assert (fresh.is_ended, fresh.attempt, Lease.objects.count()) == (True, 0, 0)
    assert invariants.violations(grace=3600) == []


@pytest.mark.parametrize(("name", "told"), [("cancel", None), ("expire", TransitionRefused)])
def test_who_ends_a_job_that_is_being_granted_sees_its_slot(
    monkeypatch: pytest.MonkeyPatch, name: str, told: object
) -> None:
    gate = at_once.Gate()
    monkeypatch.setattr(dispatch, "_write", gate.before(dispatch._write))
    job = _waiting(cy())

    granted, answer, has_waited = gate.hold(
        dispatch.grant_free_slots, partial(_end_while_waiting, name, job)
    )

    fresh = Job.objects.get(id=job.id)
    assert (len(granted), answer, has_waited) == (1, told, True)  # type: ignore[arg-type]
    assert (fresh.state, fresh.is_cancel_requested) == ("dispatched", name == "cancel")
    assert invariants.violations(grace=10**9) == []


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_running_job_is_canceled_at_the_fee_of_a_waiting_one(
    gate: at_once.Gate,
) -> None:
    job = dispatched(cy())
    start = partial(transitions.start, JobId(job.id), attempt=1)
    cancel = partial(transitions.cancel, JobId(job.id), owner_id=job.owner_id, agreed_fee=0)

    _, answer, has_waited = gate.hold(partial(_try, cancel), start)

    fresh = Job.objects.get(id=job.id)
    assert (answer, has_waited) == (None, False)
    assert (fresh.state, fresh.cancel_fee) == ("running", 0)


@pytest.mark.usefixtures("without_locks", "without_version")
def test_without_locks_and_its_place_in_line_a_canceled_job_keeps_a_slot(
    gate: at_once.Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "_LEAVE_LINE", "select %(job)s::uuid")
    job = _waiting(cy())

    _, granted, has_waited = gate.hold(
        partial(_end_while_waiting, "cancel", job), dispatch.grant_free_slots
    )

    broken = {violation.name for violation in invariants.violations(grace=3600)}
    assert (len(granted), has_waited) == (1, False)  # type: ignore[arg-type]
    assert "lease_iff_holding" in broken
